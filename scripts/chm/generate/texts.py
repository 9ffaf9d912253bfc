"""The texts of failed, canceled and skipped runs: one pool for each platform and cause."""

from dataclasses import dataclass
from random import Random


@dataclass(frozen=True)
class Cause:
    """Why runs fail: the status_reason, and error messages with `{slots}` to fill in."""

    reason: str
    messages: tuple[str, ...]


_ANY_PLATFORM = (
    Cause(
        "connection_lost",
        (
            "Connection to {host} was reset after {seconds} s",
            "Could not reach {host}: no answer within {seconds} s",
        ),
    ),
    Cause(
        "schema_drift",
        (
            "Column {column} of {table} is missing in the source",
            "Column {column} of {table} has changed its type from integer to text",
        ),
    ),
)

_BY_PLATFORM = {
    "airflow": (
        Cause(
            "upstream_failure",
            ("Task load_{table} was not started: upstream task extract_{table} failed",),
        ),
        Cause(
            "worker_lost",
            ("Worker on {host} stopped sending heartbeats after {seconds} s; task marked as lost",),
        ),
    ),
    "dbt": (
        Cause(
            "warehouse_timeout",
            ("Query on model {table} was canceled after {seconds} s by the statement timeout",),
        ),
        Cause(
            "test_failure",
            (
                "Test unique_{table}_{column} found {count} duplicates",
                "Test not_null_{table}_{column} found {count} empty values",
            ),
        ),
    ),
    "cron": (
        Cause("disk_full", ("Could not write {table}.csv on {host}: no space left on device",)),
        Cause("nonzero_exit", ("Command export_{table} on {host} ended with exit code {exit}",)),
    ),
    "vendor_api": (
        Cause(
            "rate_limited",
            ("The vendor's API answered 429 Too Many Requests after {count} calls for {table}",),
        ),
        Cause(
            "vendor_error",
            ("The vendor's API answered 500 Internal Server Error for page {exit} of {table}",),
        ),
    ),
    "custom": (
        Cause(
            "checkpoint_failure",
            ("Checkpoint of {table} could not be committed at offset {count}",),
        ),
        Cause("out_of_memory", ("Process for {table} was killed: memory limit of {exit} GB hit",)),
    ),
}

OUTAGE = Cause(
    "platform_outage",
    (
        "The service answered 503 Service Unavailable for {table}; {exit} retries used up",
        "The service at {host} did not answer within {seconds} s; {exit} retries used up",
    ),
)

CANCELED_REASONS = ("canceled_by_operator", "superseded_by_newer_run")
SKIPPED_REASONS = ("upstream_not_ready", "no_new_data")

_TIMEOUTS_SECONDS = (15, 30, 60, 120, 300, 600)


def causes(platform: str) -> tuple[Cause, ...]:
    """Return the causes that runs on this platform fail for."""
    return _BY_PLATFORM.get(platform, ()) + _ANY_PLATFORM


def error_message(rng: Random, cause: Cause, table: str, duration_seconds: int) -> str:
    """Return one of the cause's messages about this table, its slots filled in.

    No time-out that it speaks of is longer than the run was.
    """
    timeouts = [seconds for seconds in _TIMEOUTS_SECONDS if seconds <= duration_seconds]
    return rng.choice(cause.messages).format(
        table=table,
        column=rng.choice(("id", "status", "amount", "currency", "updated_at", "region")),
        host=f"{rng.choice(('etl', 'worker', 'gateway'))}-{rng.randint(1, 9):02}.example.com",
        seconds=rng.choice(timeouts or [duration_seconds]),
        count=rng.randint(2, 5000),
        exit=rng.randint(2, 9),
    )
