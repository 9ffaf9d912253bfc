"""The data contract's rules over the files of a data set, in plain Python, one row at a time."""

import csv
import json
import re
from collections import Counter
from datetime import datetime
from pathlib import Path
from uuid import UUID

from chm.contract import load_contract

INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(Z|\+00:00)")
CREDENTIAL = re.compile(
    r"bearer |password\s*=|PRIVATE KEY|secret\s*=|token\s*=|\w+://[^/\s:]+:[^@\s]+@", re.IGNORECASE
)


def read_rows(path):
    """The header and the rows of a CSV file, empty fields as None."""
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.reader(file)
        header = next(reader)
        return header, [
            {name: value or None for name, value in zip(header, row, strict=True)} for row in reader
        ]


def read_tables(folder: Path):
    tables = {
        name: read_rows(folder / "base" / f"{name}.csv")
        for name in ("clients", "pipelines", "alert_rules")
    }
    [batch] = (folder / "batches").iterdir()
    tables["runs"] = read_rows(batch)
    return tables


def broken_rules(folder: Path) -> list[str]:
    """Every violation as 'rule table: value', found row by row."""
    tables = read_tables(folder)
    found = []
    for name, (header, rows) in tables.items():
        table = load_contract().tables[name]
        if sorted(header) != sorted(table.column_names):
            found.append(f"R01 {name}: {header}")
        found += _field_rules(table, rows)
        ids = Counter(row["id"] for row in rows)
        found += [f"R03 {name}: {key}" for key, count in ids.items() if count > 1]
    rows = {name: content for name, (_, content) in tables.items()}
    found += _unique_rules(rows)
    found += _reference_rules(rows)
    types = {row["id"]: row["pipeline_type"] for row in rows["pipelines"]}
    for row in rows["runs"]:
        found += [f"{rule} runs: {row}" for rule in _run_rules(row, types)]
    for row in rows["alert_rules"]:
        found += [f"{rule} alert_rules: {row}" for rule in _alert_rules(row)]
    return found


def _field_rules(table, rows):
    for row in rows:
        for column in table.columns:
            value = row[column.name]
            if value is None:
                if column.required:
                    yield f"R02 {table.name}: {column.name}"
                continue
            if column.sql_type == "uuid" and str(UUID(value)) != value:
                yield f"R03 {table.name}: {value}"
            if column.enum and value not in load_contract().enums[column.enum].values:
                yield f"R06 {table.name}: {value}"
            if column.sql_type == "timestamptz" and not INSTANT.fullmatch(value):
                yield f"R07 {table.name}: {value}"
            if column.sql_type in ("integer", "bigint") and int(value) < 0:
                yield f"R09 {table.name}: {value}"
            if column.sql_type == "boolean" and value not in ("true", "false"):
                yield f"R02 {table.name}: {value}"
            if column.is_text and CREDENTIAL.search(value):
                yield f"W05 {table.name}: {value}"
        if instant(row["updated_at"]) < instant(row["created_at"]):
            yield f"W03 {table.name}: {row['id']}"


def _unique_rules(rows):
    keys = {
        "R04": [("clients", row["name"]) for row in rows["clients"]]
        + [(row["client_id"], row["name"]) for row in rows["pipelines"]]
        + [
            (row["client_id"], row["platform"], row["external_id"])
            for row in rows["pipelines"]
            if row["external_id"]
        ],
        "R10": [row["external_run_id"] for row in rows["runs"]],
        "R16": [
            tuple(
                row[name]
                for name in ("client_id", "pipeline_id", "rule_type", "channel", "destination")
            )
            for row in rows["alert_rules"]
            if row["is_enabled"] == "true"
        ],
    }
    for rule, values in keys.items():
        yield from (f"{rule}: {key}" for key, count in Counter(values).items() if count > 1)


def _reference_rules(rows):
    clients = {row["id"] for row in rows["clients"]}
    owners = {row["id"]: row["client_id"] for row in rows["pipelines"]}
    for row in rows["pipelines"]:
        if row["client_id"] not in clients:
            yield f"R05 pipelines: {row['id']}"
    for row in rows["runs"]:
        if row["pipeline_id"] not in owners:
            yield f"R05 runs: {row['id']}"
    for row in rows["alert_rules"]:
        client, pipeline = row["client_id"], row["pipeline_id"]
        if (client and client not in clients) or (pipeline and pipeline not in owners):
            yield f"R05 alert_rules: {row['id']}"
        elif not (client or pipeline) or (client and pipeline and owners[pipeline] != client):
            yield f"R12 alert_rules: {row['id']}"


def _run_rules(row, types):
    started, finished = instant(row["started_at"]), instant(row["finished_at"])
    if finished and finished < started:
        yield "R08"
    if finished and int(row["duration_seconds"]) != (finished - started).total_seconds():
        yield "W01"
    if not isinstance(json.loads(row["payload"]), dict):
        yield "R11"
    texts = (row["error_message"] is not None, row["status_reason"] is not None)
    if row["status"] == "failed" and texts != (True, True):
        yield "R14"
    if row["status"] == "success" and texts != (False, False):
        yield "R14"
    ends = (finished is not None, row["duration_seconds"] is not None)
    if ends != ((False, False) if row["status"] == "running" else (True, True)):
        yield "R15"
    if row["rows_processed"]:
        usual = load_contract().enums["pipeline_types"].rows[types[row["pipeline_id"]]]
        low, high = usual["usual_rows_processed_min"], usual["usual_rows_processed_max"]
        if not int(low) <= int(row["rows_processed"]) <= int(high):
            yield "W02"
    if instant(row["ingested_at"]) < max(started, finished or started):
        yield "W03"


def _alert_rules(row):
    limits = [int(row[name] or 0) for name in ("threshold", "window_minutes")]
    if row["rule_type"] == "failures_in_window" and min(limits) < 1:
        yield "R13"
    shapes = {"slack": r"#\S+", "email": r"[^@\s]+@[^@\s]+\.[^@\s]+", "webhook": r"https?://\S+"}
    if not re.fullmatch(shapes[row["channel"]], row["destination"]):
        yield "W04"


def instant(text):
    """The instant that a field names; None for an empty one."""
    return datetime.fromisoformat(text) if text else None
