"""What the compiled scan compares rows with, and whether it knows all rules that bind runs."""

from dataclasses import dataclass
from uuid import UUID

import duckdb
import numpy as np

from chm.contract import Contract, Table
from chm.runs_layout import RUNS_COLUMNS
from chm.validate import scan
from chm.validate.conditions import row_conditions, run_statuses
from chm.validate.find_fields import Numbers
from chm.validate.keys import table_queries
from chm.validate.scan import Words, find_pipeline, packed_word
from chm.validate.sql import checked_table

# The rule and column of all that the scan proves a row to keep.
_PROVED = {
    ("R02", "id"),
    ("R02", "pipeline_id"),
    ("R02", "external_run_id"),
    ("R02", "status"),
    ("R02", "ingested_at"),
    ("R02", "created_at"),
    ("R02", "updated_at"),
    ("R03", "id"),
    ("R05", "pipeline_id"),
    ("R06", "status"),
    ("R07", "started_at"),
    ("R07", "finished_at"),
    ("R07", "ingested_at"),
    ("R07", "created_at"),
    ("R07", "updated_at"),
    ("R08", "finished_at"),
    ("R09", "duration_seconds"),
    ("R09", "rows_processed"),
    ("R10", "external_run_id"),
    ("R11", "payload"),
    ("R14", "error_message"),
    ("R14", "status_reason"),
    ("R15", "finished_at"),
    ("R15", "duration_seconds"),
    ("W01", "duration_seconds"),
    ("W02", "rows_processed"),
    ("W03", "ingested_at"),
    ("W03", "updated_at"),
    ("W05", "external_run_id"),
    ("W05", "error_message"),
    ("W05", "status_reason"),
    ("W05", "payload"),
}


@dataclass(frozen=True)
class Proofs:
    """The known pipelines and the statuses, as the arrays that scan_records takes."""

    pipelines: Numbers
    status_words: Words
    status_duties: Numbers


def are_sufficient(contract: Contract, table: Table) -> bool:
    """Return whether the scan proves every rule that the contract has for the table."""
    rules = {(condition.rule, condition.column) for condition in row_conditions(contract, table)}
    rules |= {(query.rule, query.column) for query in table_queries(contract, table, frozenset())}
    return (
        table.column_names == RUNS_COLUMNS
        and rules <= _PROVED
        and {check.test for check in table.checks} <= {"finished_at >= started_at"}
        and {key.columns for key in table.unique} <= {("pipeline_id", "external_run_id")}
        and {column.minimum for column in table.columns} <= {None, 0}
    )


def load_proofs(connection: duckdb.DuckDBPyConnection, contract: Contract) -> Proofs:
    """Take the pipelines from the view `checked_pipelines` and the statuses from the contract."""
    types = contract.enums["pipeline_types"]
    least = types.numbers("usual_rows_processed_min")
    most = types.numbers("usual_rows_processed_max")
    known = connection.execute(
        f"select id::varchar, any_value(pipeline_type) "
        f"from {checked_table(contract.tables['pipelines'])} where id is not null "
        "group by id having count(*) = 1 and count(pipeline_type) = 1"
    ).fetchall()
    pipelines = np.full((_slots(len(known)), 4), -1, np.int64)
    for identifier, pipeline_type in known:
        high, low = (int(half) for half in np.frombuffer(UUID(identifier).bytes, ">i8"))
        slot = find_pipeline(pipelines, high, low)
        pipelines[slot] = high, low, least[pipeline_type], most[pipeline_type]
    statuses = run_statuses(contract)
    words = contract.enums["run_statuses"].values
    return Proofs(
        pipelines,
        np.array([_packed(word) for word in words], np.uint64),
        np.array(
            [
                scan.MUST_HAVE_TEXTS * (word in statuses.failed)
                | scan.MAY_HAVE_NO_TEXTS * (word in statuses.succeeded)
                | scan.MUST_HAVE_END * (word in statuses.finished)
                | scan.MAY_HAVE_NO_END * (word in statuses.unfinished)
                for word in words
            ],
            np.int64,
        ),
    )


def _slots(entries: int) -> int:
    """A power of two that leaves at least half of the slots empty."""
    return 1 << (2 * entries + 1).bit_length()


def _packed(word: str) -> np.uint64:
    text = np.frombuffer(word.encode(), np.uint8)
    return packed_word(text, 0, len(text))
