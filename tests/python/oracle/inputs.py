"""The four raw tables as plain Python values, and how to read them from the CSV layout."""

import csv
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

CsvRow = dict[str, str]
Row = TypeVar("Row")


@dataclass(frozen=True)
class Client:
    """One row of raw.clients."""

    id: str
    name: str
    is_active: bool
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True)
class Pipeline:
    """One row of raw.pipelines."""

    id: str
    client_id: str
    name: str
    platform: str
    external_id: str | None
    pipeline_type: str
    description: str | None
    environment: str
    is_active: bool
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True)
class Run:
    """One row of raw.runs."""

    id: str
    pipeline_id: str
    external_run_id: str
    status: str
    started_at: datetime | None
    finished_at: datetime | None
    duration_seconds: int | None
    rows_processed: int | None
    error_message: str | None
    status_reason: str | None
    payload: str | None
    ingested_at: datetime
    created_at: datetime
    updated_at: datetime

    @property
    def event_at(self) -> datetime:
        """The instant that places the run in every window."""
        return self.finished_at or self.started_at or self.created_at

    @property
    def is_failure(self) -> bool:
        """Whether the run failed."""
        return self.status == "failed"

    @property
    def is_success(self) -> bool:
        """Whether the run succeeded."""
        return self.status == "success"

    @property
    def is_decided(self) -> bool:
        """Whether the run says anything about health."""
        return self.is_failure or self.is_success


@dataclass(frozen=True)
class AlertRule:
    """One row of raw.alert_rules."""

    id: str
    client_id: str | None
    pipeline_id: str | None
    rule_type: str
    threshold: int | None
    window_minutes: int | None
    channel: str
    destination: str
    is_enabled: bool
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True)
class DataSet:
    """The four raw tables together."""

    clients: list[Client] = field(default_factory=list)
    pipelines: list[Pipeline] = field(default_factory=list)
    runs: list[Run] = field(default_factory=list)
    alert_rules: list[AlertRule] = field(default_factory=list)


def with_lower_case_ids(data: DataSet) -> DataSet:
    """Return the same data with every uuid in lower case, as ids compare and appear."""
    return DataSet(
        clients=[replace(c, id=c.id.lower()) for c in data.clients],
        pipelines=[
            replace(p, id=p.id.lower(), client_id=p.client_id.lower()) for p in data.pipelines
        ],
        runs=[replace(r, id=r.id.lower(), pipeline_id=r.pipeline_id.lower()) for r in data.runs],
        alert_rules=[
            replace(
                a,
                id=a.id.lower(),
                client_id=a.client_id.lower() if a.client_id else None,
                pipeline_id=a.pipeline_id.lower() if a.pipeline_id else None,
            )
            for a in data.alert_rules
        ],
    )


def read_data_set(directory: Path) -> DataSet:
    """Read base/*.csv and batches/runs_*.csv below the directory."""
    base = directory / "base"
    batches = sorted((directory / "batches").glob("runs_*.csv"))
    data = DataSet(
        clients=_read(base / "clients.csv", _client),
        pipelines=_read(base / "pipelines.csv", _pipeline),
        runs=[run for batch in batches for run in _read(batch, _run)],
        alert_rules=_read(base / "alert_rules.csv", _alert_rule),
    )
    return with_lower_case_ids(data)


def parse_instant(text: str) -> datetime:
    """Turn an ISO 8601 instant with an explicit offset into an aware UTC datetime."""
    instant = datetime.fromisoformat(text)
    if instant.tzinfo is None:
        raise ValueError(f"instant without an offset: {text!r}")
    return instant.astimezone(UTC)


def _read(path: Path, build: Callable[[CsvRow], Row]) -> list[Row]:
    with path.open(encoding="utf-8", newline="") as lines:
        return [build(row) for row in csv.DictReader(lines)]


def _required(row: CsvRow, column: str) -> str:
    if not row[column]:
        raise ValueError(f"required field {column} is empty in {row!r}")
    return row[column]


def _text(row: CsvRow, column: str) -> str | None:
    return row[column] or None


def _integer(row: CsvRow, column: str) -> int | None:
    return int(row[column]) if row[column] else None


def _boolean(row: CsvRow, column: str) -> bool:
    return {"true": True, "false": False}[row[column].lower()]


def _required_instant(row: CsvRow, column: str) -> datetime:
    return parse_instant(_required(row, column))


def _instant(row: CsvRow, column: str) -> datetime | None:
    return parse_instant(row[column]) if row[column] else None


def _client(row: CsvRow) -> Client:
    return Client(
        id=_required(row, "id"),
        name=_required(row, "name"),
        is_active=_boolean(row, "is_active"),
        created_at=_required_instant(row, "created_at"),
        updated_at=_required_instant(row, "updated_at"),
    )


def _pipeline(row: CsvRow) -> Pipeline:
    return Pipeline(
        id=_required(row, "id"),
        client_id=_required(row, "client_id"),
        name=_required(row, "name"),
        platform=_required(row, "platform"),
        external_id=_text(row, "external_id"),
        pipeline_type=_required(row, "pipeline_type"),
        description=_text(row, "description"),
        environment=_required(row, "environment"),
        is_active=_boolean(row, "is_active"),
        created_at=_required_instant(row, "created_at"),
        updated_at=_required_instant(row, "updated_at"),
    )


def _run(row: CsvRow) -> Run:
    return Run(
        id=_required(row, "id"),
        pipeline_id=_required(row, "pipeline_id"),
        external_run_id=_required(row, "external_run_id"),
        status=_required(row, "status"),
        started_at=_instant(row, "started_at"),
        finished_at=_instant(row, "finished_at"),
        duration_seconds=_integer(row, "duration_seconds"),
        rows_processed=_integer(row, "rows_processed"),
        error_message=_text(row, "error_message"),
        status_reason=_text(row, "status_reason"),
        payload=_text(row, "payload"),
        ingested_at=_required_instant(row, "ingested_at"),
        created_at=_required_instant(row, "created_at"),
        updated_at=_required_instant(row, "updated_at"),
    )


def _alert_rule(row: CsvRow) -> AlertRule:
    return AlertRule(
        id=_required(row, "id"),
        client_id=_text(row, "client_id"),
        pipeline_id=_text(row, "pipeline_id"),
        rule_type=_required(row, "rule_type"),
        threshold=_integer(row, "threshold"),
        window_minutes=_integer(row, "window_minutes"),
        channel=_required(row, "channel"),
        destination=_required(row, "destination"),
        is_enabled=_boolean(row, "is_enabled"),
        created_at=_required_instant(row, "created_at"),
        updated_at=_required_instant(row, "updated_at"),
    )
