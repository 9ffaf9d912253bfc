"""The order of the columns of `runs` that compiled code writes and scans."""

# Compiled loops can't look a column up by its name. Whoever uses them compares this order with
# the contract's first, which stays the only definition.
RUNS_COLUMNS = (
    "id",
    "pipeline_id",
    "external_run_id",
    "status",
    "started_at",
    "finished_at",
    "duration_seconds",
    "rows_processed",
    "error_message",
    "status_reason",
    "payload",
    "ingested_at",
    "created_at",
    "updated_at",
)
