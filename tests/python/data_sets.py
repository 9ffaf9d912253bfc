"""A small valid data set as plain rows, easy to break in one place, and its files."""

import csv
import io
from pathlib import Path

Row = dict[str, str]
# File name -> rows; files called runs_* are batches.
DataSet = dict[str, list[Row]]

CLIENTS = "clients.csv"
PIPELINES = "pipelines.csv"
ALERT_RULES = "alert_rules.csv"
RUNS = "runs_20260105_batch01.csv"

CREATED = "2026-01-01T00:00:00Z"


def identifier(kind: int, number: int) -> str:
    """A UUID with hexadecimal letters, so that upper case differs from lower case."""
    return f"abcdef{kind:02x}-0000-4000-8000-{number:012x}"


def client(number: int, **fields: str) -> Row:
    return {
        "id": identifier(1, number),
        "name": f"Client {number}",
        "is_active": "true",
        "created_at": CREATED,
        "updated_at": CREATED,
    } | fields


def pipeline(number: int, **fields: str) -> Row:
    return {
        "id": identifier(2, number),
        "client_id": identifier(1, 1),
        "name": f"Pipeline {number}",
        "platform": "airflow",
        "external_id": f"dag-{number}",
        "pipeline_type": "ingestion",
        "description": "Loads orders, hourly",
        "environment": "prod",
        "is_active": "true",
        "created_at": CREATED,
        "updated_at": CREATED,
    } | fields


def run(number: int, **fields: str) -> Row:
    return {
        "id": identifier(3, number),
        "pipeline_id": identifier(2, 1),
        "external_run_id": f"run-{number}",
        "status": "success",
        "started_at": "2026-01-05T01:00:00Z",
        "finished_at": "2026-01-05T01:10:00Z",
        "duration_seconds": "600",
        "rows_processed": "60000",
        "error_message": "",
        "status_reason": "",
        "payload": '{"attempt": 1, "tags": ["a", "b"]}',
        "ingested_at": "2026-01-05T01:10:05Z",
        "created_at": "2026-01-05T01:10:05Z",
        "updated_at": "2026-01-05T01:10:05Z",
    } | fields


def alert_rule(number: int, **fields: str) -> Row:
    return {
        "id": identifier(4, number),
        "client_id": identifier(1, 1),
        "pipeline_id": "",
        "rule_type": "on_failure",
        "threshold": "",
        "window_minutes": "",
        "channel": "slack",
        "destination": f"#alerts-{number}",
        "is_enabled": "true",
        "created_at": CREATED,
        "updated_at": CREATED,
    } | fields


def valid_data_set() -> DataSet:
    """Three clients, four pipelines, a run of each status, five alert rules; no warning either."""
    return {
        CLIENTS: [client(1), client(2), client(3, is_active="FALSE")],
        PIPELINES: [
            pipeline(1),
            pipeline(2, client_id=identifier(1, 2), pipeline_type="transform", platform="dbt"),
            pipeline(3, external_id="", description="", pipeline_type="healthcheck"),
            pipeline(4, external_id="", environment="dev", pipeline_type="export"),
        ],
        RUNS: [
            run(1),
            run(
                2,
                status="failed",
                error_message='The source said "no"',
                status_reason="upstream_error",
            ),
            run(3, status="running", finished_at="", duration_seconds="", rows_processed=""),
            run(4, pipeline_id=identifier(2, 2), status="canceled", payload=""),
            run(5, pipeline_id=identifier(2, 3), status="skipped", rows_processed="100"),
            run(6, pipeline_id=identifier(2, 2), started_at="2026-01-05T01:00:00.000000+00:00"),
        ],
        ALERT_RULES: [
            alert_rule(1),
            alert_rule(2, client_id="", pipeline_id=identifier(2, 2)),
            alert_rule(
                3,
                pipeline_id=identifier(2, 1),
                rule_type="failures_in_window",
                threshold="3",
                window_minutes="60",
                channel="email",
                destination="ops@example.com",
            ),
            alert_rule(4, channel="webhook", destination="https://hooks.example.com/chm"),
            alert_rule(5, destination="#alerts-1", is_enabled="false"),
        ],
    }


def path_of(folder: Path, name: str) -> Path:
    return folder / ("batches" if name.startswith("runs_") else "base") / name


def file_text(rows: list[Row], columns: list[str] | None = None, newline: str = "\n") -> str:
    """The rows as CSV; `columns` gives another order."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns or list(rows[0]), lineterminator=newline)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def write_data_set(folder: Path, files: DataSet) -> Path:
    """Write the files and return the folder."""
    for name, rows in files.items():
        write_text(folder, name, file_text(rows))
    return folder


def write_text(folder: Path, name: str, text: str | bytes) -> None:
    """Write one file of a data set as it is."""
    path = path_of(folder, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode() if isinstance(text, str) else text)
