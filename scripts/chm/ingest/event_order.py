"""The order of a run's events, as SQL: which of two beats the other.

A terminal status beats running, then the later updated_at counts, then the status of the higher
merge_order (seeds/run_statuses.csv), then the remaining columns, so that two events that differ
at all are never equal. Payloads are compared as PostgreSQL's jsonb writes them, by bytes.
"""

from chm.contract import Column, Contract
from chm.contract.ddl import Engine
from chm.ingest.json_order import FUNCTION

IDENTITY = ("pipeline_id", "external_run_id")
# Not part of the comparison: what belongs to the first event, and when the winner arrived.
FIRST_EVENT = ("id", "created_at")
ARRIVAL = "ingested_at"


def leading(contract: Contract, prefix: str) -> list[str]:
    """The expressions that order the events of a run, the most important first; never null."""
    enum = contract.enums["run_statuses"]
    status = f"cast({prefix}status as varchar)"
    terminal = ", ".join(f"'{value}'" for value in enum.flagged("is_terminal"))
    orders = " ".join(
        f"when '{value}' then {order}" for value, order in enum.numbers("merge_order").items()
    )
    return [
        f"case when {status} in ({terminal}) then 1 else 0 end",
        f"{prefix}updated_at",
        f"case {status} {orders} end",
    ]


def rest(contract: Contract, prefix: str, engine: Engine, differs: str) -> list[str]:
    """The expressions that tell apart what is equal by the leading ones; never null.

    `differs` is a condition without which no payload needs to be looked at.
    """
    others = (*IDENTITY, *FIRST_EVENT, ARRIVAL, "updated_at", "status")
    return [
        expression
        for column in contract.tables["runs"].columns
        if column.name not in others
        for expression in _comparable(column, prefix, engine, differs)
    ]


def _comparable(column: Column, prefix: str, engine: Engine, differs: str) -> list[str]:
    """The column as values that are never null: an empty one is the least."""
    name = f"{prefix}{column.name}"
    if column.sql_type == "timestamptz":
        return [f"coalesce({name}, timestamptz '-infinity')"]
    if column.sql_type in ("integer", "bigint"):
        return [f"coalesce({name}, -1)"]
    text = f"coalesce(cast({name} as varchar), '')"
    if engine == "postgres":
        # By bytes, whatever the database's collation.
        return [f'{text} collate "C"']
    if column.sql_type == "jsonb":
        # As PostgreSQL compares it; DuckDB keeps JSON as it was written, but for blanks.
        return [
            f"coalesce(case when {differs} then {FUNCTION}({name}) end, '')",
            f"coalesce(case when {differs} then cast(json({name}) as varchar) end, '')",
        ]
    return [text]
