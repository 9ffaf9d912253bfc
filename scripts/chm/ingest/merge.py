"""Merge run events into raw.runs: which version of a run is stored, whatever the order.

A run's identity is (pipeline_id, external_run_id). Its stored row is the greatest of all its
events: a terminal status beats running, then the later updated_at, then the status of the higher
merge_order (seeds/run_statuses.csv), then the remaining columns, so that two events that differ
at all are never equal.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from chm.contract import Column, Contract, load_contract
from chm.contract.ddl import Engine

if TYPE_CHECKING:
    import duckdb
    import psycopg

IDENTITY = ("pipeline_id", "external_run_id")
# Not part of the comparison: what belongs to the first event, and when the winner arrived.
FIRST_EVENT = ("id", "created_at")
ARRIVAL = "ingested_at"

_WINNERS = "chm_merge_winners"
_DECISIONS = "chm_merge_decisions"


@dataclass(frozen=True)
class MergeCounts:
    """What became of the events of a merge; each event counts once.

    `inserted`: the run was new. `updated`: the event beat the stored row. `unchanged`: the event
    says what is stored already. `stale`: a greater event is stored, or came in the same batch.
    """

    inserted: int = 0
    updated: int = 0
    unchanged: int = 0
    stale: int = 0

    def __add__(self, other: "MergeCounts") -> "MergeCounts":
        return MergeCounts(
            self.inserted + other.inserted,
            self.updated + other.updated,
            self.unchanged + other.unchanged,
            self.stale + other.stale,
        )


def merge_duckdb(connection: "duckdb.DuckDBPyConnection", source_table: str) -> MergeCounts:
    """Merge the rows of `source_table` into raw.runs, inside the caller's transaction.

    The database with the schema raw must be the current one.

    Args:
        connection: a connection to the warehouse.
        source_table: a table or view with the columns and types of raw.runs; its rows keep the
            constraints of raw.runs, but any number of them may be of one run.

    Raises:
        duckdb.Error: a row breaks a constraint of raw.runs.
    """
    contract = load_contract()
    execute = connection.execute
    execute(f"create or replace temp table {_WINNERS} as {_winners(contract, source_table)}")
    execute(f"create or replace temp table {_DECISIONS} as {_decisions(contract)}")
    execute(_update(contract))
    execute(_insert(contract))
    row = execute(_counts(source_table)).fetchone()
    execute(f"drop table {_DECISIONS}")
    execute(f"drop table {_WINNERS}")
    assert row is not None
    return MergeCounts(*row)


def merge_postgres(connection: "psycopg.Connection[Any]", source_table: str) -> MergeCounts:
    """Merge the rows of `source_table` into raw.runs, inside the caller's transaction.

    Merges take turns: raw.runs is locked against other writers, not against readers, until the
    transaction ends.

    Args:
        connection: a connection in an open transaction (read committed).
        source_table: a table or view with the columns and types of raw.runs; its rows keep the
            constraints of raw.runs, but any number of them may be of one run.

    Raises:
        psycopg.Error: a row breaks a constraint of raw.runs, or the lock is not to be had.
    """
    from psycopg.rows import tuple_row

    contract = load_contract()
    with connection.cursor(row_factory=tuple_row) as cursor:
        # Parents first, as everybody who locks several of the tables does: the foreign key
        # needs pipelines too.
        cursor.execute(f"lock table {contract.schema}.pipelines in row share mode")
        cursor.execute(f"lock table {_runs(contract)} in share row exclusive mode")
        for name, query in (
            (_WINNERS, _winners(contract, source_table, "postgres")),
            (_DECISIONS, _decisions(contract, "postgres")),
        ):
            cursor.execute(f"create temporary table {name} on commit drop as {query}")
            cursor.execute(f"analyze {name}")
        cursor.execute(_update(contract))
        cursor.execute(_insert(contract))
        row = cursor.execute(_counts(source_table)).fetchone()
        # A transaction may merge more than once.
        cursor.execute(f"drop table {_DECISIONS}, {_WINNERS}")
    assert row is not None
    return MergeCounts(*row)


def _winners(contract: Contract, source_table: str, engine: Engine = "duckdb") -> str:
    """A query for the greatest event of each run, with the first event's columns.

    `_copies` is the number of events that say the same as the greatest one.
    """
    key = ", ".join(IDENTITY)
    order = ", ".join(f"{part} desc" for part in _greatness(contract, "", engine))
    kept = [name for name in _columns(contract) if name not in FIRST_EVENT]
    # Of several first events in one batch the earliest counts, then the least id.
    first = ", ".join(f"first_value({name}) over first_event as {name}" for name in FIRST_EVENT)
    return f"""
        with ranked as (
            select
                {", ".join(kept)},
                {first},
                row_number() over greatest_first as _position,
                rank() over greatest_first as _place
            from {source_table}
            window
                greatest_first as (partition by {key} order by {order}),
                first_event as (partition by {key} order by created_at, id)
        ),
        counted as (
            select
                *,
                max(case when _place = 1 then _position end) over (partition by {key}) as _copies
            from ranked
        )
        select {", ".join(_columns(contract))}, _copies from counted where _position = 1
    """


def _decisions(contract: Contract, engine: Engine = "duckdb") -> str:
    """A query for what to do with each winner: stored_id is null for a new run."""
    winner = ", ".join(_greatness(contract, "winner.", engine))
    stored = ", ".join(_greatness(contract, "stored.", engine))
    return f"""
        select
            {", ".join(f"winner.{name}" for name in IDENTITY)},
            winner._copies,
            stored.id as stored_id,
            stored.id is not null and row({winner}) > row({stored}) as is_greater,
            stored.id is not null and row({winner}) = row({stored}) as is_same,
            -- Events of one id tell one story, which begins with the earliest of them.
            coalesce(winner.id = stored.id and winner.created_at < stored.created_at, false)
                as is_earlier
        from {_WINNERS} as winner
        left join {_runs(contract)} as stored on {_same_run("winner", "stored")}
    """


def _update(contract: Contract) -> str:
    """The statement that puts the winners that beat their stored rows in the place of these."""
    fixed = (*IDENTITY, *FIRST_EVENT)
    assignments = [
        f"{name} = case when decision.is_greater then winner.{name} else runs.{name} end"
        for name in _columns(contract)
        if name not in fixed
    ]
    assignments.append(
        "created_at = case when decision.is_earlier then winner.created_at else runs.created_at end"
    )
    return f"""
        update {_runs(contract)} as runs
        set {", ".join(assignments)}
        from {_WINNERS} as winner, {_DECISIONS} as decision
        where {_same_run("winner", "decision")}
            and {_same_run("winner", "runs")}
            and (decision.is_greater or decision.is_earlier)
    """


def _insert(contract: Contract) -> str:
    columns = _columns(contract)
    return f"""
        insert into {_runs(contract)} ({", ".join(columns)})
        select {", ".join(f"winner.{name}" for name in columns)}
        from {_WINNERS} as winner
        inner join {_DECISIONS} as decision on {_same_run("winner", "decision")}
        where decision.stored_id is null
    """


def _counts(source_table: str) -> str:
    """A query for the four numbers of MergeCounts."""
    return f"""
        select inserted, updated, unchanged, events - inserted - updated - unchanged
        from (
            select
                count(*) filter (where stored_id is null) as inserted,
                count(*) filter (where is_greater) as updated,
                cast(coalesce(sum(
                    case
                        when stored_id is null or is_greater then _copies - 1
                        when is_same then _copies
                        else 0
                    end
                ), 0) as bigint) as unchanged,
                (select count(*) from {source_table}) as events
            from {_DECISIONS}
        ) as counted
    """


def _greatness(contract: Contract, prefix: str, engine: Engine) -> list[str]:
    """The expressions that order the events of a run, the most important first; never null."""
    enum = contract.enums["run_statuses"]
    status = f"cast({prefix}status as varchar)"
    terminal = ", ".join(f"'{value}'" for value in enum.flagged("is_terminal"))
    orders = " ".join(
        f"when '{value}' then {order}" for value, order in enum.numbers("merge_order").items()
    )
    table = contract.tables["runs"]
    leading = ("updated_at", "status")
    rest = [
        column
        for column in table.columns
        if column.name not in (*IDENTITY, *FIRST_EVENT, ARRIVAL, *leading)
    ]
    return [
        f"case when {status} in ({terminal}) then 1 else 0 end",
        f"{prefix}updated_at",
        f"case {status} {orders} end",
        *(_comparable(column, prefix, engine) for column in rest),
    ]


def _comparable(column: Column, prefix: str, engine: Engine) -> str:
    """The column as a value that is never null: an empty one is the least."""
    name = f"{prefix}{column.name}"
    if column.sql_type == "timestamptz":
        return f"coalesce({name}, timestamptz '-infinity')"
    if column.sql_type in ("integer", "bigint"):
        return f"coalesce({name}, -1)"
    if engine == "postgres":
        # By bytes, whatever the database's collation.
        return f"coalesce(cast({name} as varchar), '') collate \"C\""
    # DuckDB keeps JSON as it was written: its blanks are no difference.
    value = f"json({name})" if column.sql_type == "jsonb" else name
    return f"coalesce(cast({value} as varchar), '')"


def _columns(contract: Contract) -> tuple[str, ...]:
    return contract.tables["runs"].column_names


def _runs(contract: Contract) -> str:
    return f"{contract.schema}.runs"


def _same_run(one: str, other: str) -> str:
    return " and ".join(f"{one}.{name} = {other}.{name}" for name in IDENTITY)
