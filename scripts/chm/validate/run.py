"""Check every rule over all files of a data set in one pass."""

import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import duckdb

from chm.contract import Table, load_contract
from chm.credentials import presentable
from chm.validate.conditions import row_conditions
from chm.validate.files import DataFile, DataSetFiles, source_table
from chm.validate.keys import Query, table_queries
from chm.validate.lines import record_lines
from chm.validate.reader import open_data_set
from chm.validate.report import RULES, FileSummary, Report, Violation
from chm.validate.sql import checked_table, checked_view, text_of


@dataclass(frozen=True)
class _Finding:
    """A broken rule in a row of a source table; `earlier_row` is a row to name, if any."""

    rule: str
    table: str
    column: str
    row: int
    value: str
    message: str
    earlier_row: int | None


# Below this size of its batches a data set is checked sooner than the compiled scan is loaded.
SIFT_FROM_BYTES = 64 << 20
# For the tables and the sorting of what is checked row by row; the rest goes to the disk.
_MEMORY_LIMIT = "2GB"


def validate(
    folder: Path,
    limit: int = 20,
    on_step: Callable[[str], None] = lambda _: None,
    sift_from_bytes: int | None = SIFT_FROM_BYTES,
) -> Report:
    """Check the data set in `folder` against all rules of the contract.

    Args:
        folder: holds base/{clients,pipelines,alert_rules}.csv and batches/runs_*.{csv,parquet}.
        limit: how many violations of each rule the report shows; it counts all.
        on_step: told what is being done, for a progress display.
        sift_from_bytes: from this size of the batches on, a compiled scan leaves only the rows
            that it can't prove clean to be checked rule by rule. None checks all of them so;
            the report is the same.

    Raises:
        ChmError: the folder or a file can't be read.
    """
    with (
        tempfile.TemporaryDirectory() as spill,
        duckdb.connect(
            config={"temp_directory": spill, "memory_limit": _MEMORY_LIMIT}
        ) as connection,
    ):
        data_set = open_data_set(connection, folder, limit, on_step, sift_from_bytes)
        return check_data_set(connection, data_set, limit, on_step)


def check_data_set(
    connection: duckdb.DuckDBPyConnection,
    data_set: DataSetFiles,
    limit: int = 20,
    on_step: Callable[[str], None] = lambda _: None,
) -> Report:
    """Check a data set that open_data_set has loaded into this connection."""
    contract = load_contract()
    counts = Counter(dict.fromkeys(RULES, 0))
    counts["R01"] = data_set.fault_count
    findings: list[_Finding] = []
    for table in contract.tables.values():
        connection.execute(checked_view(contract, table, source_table(table)))
    for table in contract.tables.values():
        on_step(f"checking {table.name}")
        queries = _broken_conditions(connection, table)
        queries += table_queries(contract, table, data_set.incomplete)
        found: list[_Finding] = []
        for query in queries:
            number = _number(connection, f"select count(*) from ({query.sql})")
            counts[query.rule] += number
            if number:
                found += _first_findings(connection, query, limit)
        findings += sorted(found, key=lambda finding: finding.row)
    on_step("locating violations")
    return Report(
        data_set=data_set.folder,
        files=tuple(
            FileSummary(file.path.name, file.table, file.rows + file.proved)
            for file in data_set.files
        ),
        counts=dict(counts),
        violations=(*data_set.faults, *_violations(data_set.files, _capped(findings, limit))),
        limit=limit,
    )


def _broken_conditions(connection: duckdb.DuckDBPyConnection, table: Table) -> list[Query]:
    """The row conditions that some row breaks, found in one scan, as queries."""
    conditions = row_conditions(load_contract(), table)
    tests = ", ".join(f"bool_or({condition.test})" for condition in conditions)
    flags = connection.execute(f"select {tests} from {checked_table(table)}").fetchone()
    assert flags is not None
    return [
        Query(
            condition.rule,
            table.name,
            condition.column,
            f"select _row, coalesce({text_of(condition.column)}, '') as value, "
            f"{condition.message} as message, null as earlier_row "
            f"from {checked_table(table)} where {condition.test}",
        )
        for condition, is_broken in zip(conditions, flags, strict=True)
        if is_broken
    ]


def _number(connection: duckdb.DuckDBPyConnection, sql: str) -> int:
    row = connection.execute(sql).fetchone()
    assert row is not None
    return int(row[0])


def _first_findings(
    connection: duckdb.DuckDBPyConnection, query: Query, limit: int
) -> list[_Finding]:
    rows = connection.execute(
        f"select _row, value, message, earlier_row from ({query.sql}) order by _row limit {limit}"
    ).fetchall()
    return [_Finding(query.rule, query.table, query.column, *row) for row in rows]


def _capped(findings: Iterable[_Finding], limit: int) -> list[_Finding]:
    """The first `limit` findings of each rule, in the order of the rules."""
    by_rule: dict[str, list[_Finding]] = {rule: [] for rule in RULES}
    for finding in findings:
        by_rule[finding.rule].append(finding)
    return [finding for found in by_rule.values() for finding in found[:limit]]


def _violations(files: Iterable[DataFile], findings: list[_Finding]) -> list[Violation]:
    """Turn rows of the source tables into lines of files."""
    places = {(finding.table, finding.row) for finding in findings}
    places |= {
        (finding.table, finding.earlier_row)
        for finding in findings
        if finding.earlier_row is not None
    }
    lines = _locate(files, places)
    violations = []
    for finding in findings:
        file, line = lines[finding.table, finding.row]
        message = presentable(finding.message)
        if finding.earlier_row is not None:
            earlier_file, earlier_line = lines[finding.table, finding.earlier_row]
            message += f" {earlier_file}:{earlier_line}"
        value = presentable(finding.value)
        violations.append(Violation(file, line, finding.column, finding.rule, value, message))
    return violations


def _locate(
    files: Iterable[DataFile], places: Iterable[tuple[str, int]]
) -> dict[tuple[str, int], tuple[str, int]]:
    """Map (table, row) to (file name, physical line)."""
    located = {}
    rows_by_table: dict[str, list[int]] = defaultdict(list)
    for table, row in places:
        rows_by_table[table].append(row)
    for file in files:
        records = [
            row - file.first_row
            for row in rows_by_table[file.table]
            if 0 <= row - file.first_row < file.rows
        ]
        for record, line in record_lines(file, records).items():
            located[file.table, record + file.first_row] = (file.path.name, line)
    return located
