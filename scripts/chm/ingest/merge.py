"""Merge run events into raw.runs: which version of a run is stored, whatever the order.

A run's identity is (pipeline_id, external_run_id). Its stored row is the greatest of all its
events, in the order of chm.ingest.event_order.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from chm.contract import Contract, load_contract
from chm.contract.ddl import Engine
from chm.ingest.event_order import FIRST_EVENT, IDENTITY, leading, rest
from chm.ingest.json_order import FUNCTION, jsonb_text

if TYPE_CHECKING:
    import duckdb
    import psycopg

_Execute = Callable[[str], tuple[Any, ...] | None]

_WINNERS = "chm_merge_winners"
_DECISIONS = "chm_merge_decisions"
# Where a row of raw.runs stands; it holds as long as no one writes the table.
_PLACE: dict[Engine, str] = {"duckdb": "rowid", "postgres": "ctid"}


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
    known = connection.execute(
        "select count(*) from duckdb_functions() where function_name = ?", [FUNCTION]
    ).fetchone()
    if known == (0,):
        connection.create_function(FUNCTION, jsonb_text, ["VARCHAR"], "VARCHAR")

    def execute(statement: str) -> tuple[Any, ...] | None:
        return connection.execute(statement).fetchone()

    return _merge(execute, source_table, "duckdb")


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

    schema = load_contract().schema
    with connection.cursor(row_factory=tuple_row) as cursor:

        def execute(statement: str) -> tuple[Any, ...] | None:
            cursor.execute(statement)
            return cursor.fetchone() if cursor.description else None

        # Parents first, as everybody who locks several of the tables does: the foreign key
        # needs pipelines too.
        execute(f"lock table {schema}.pipelines in row share mode")
        execute(f"lock table {schema}.runs in share row exclusive mode")
        return _merge(execute, source_table, "postgres")


def _merge(execute: _Execute, source_table: str, engine: Engine) -> MergeCounts:
    contract = load_contract()
    key = ", ".join(IDENTITY)
    repeated = execute(
        f"select exists (select 1 from {source_table} group by {key} having count(*) > 1)"
    )
    is_repeated = repeated == (True,)
    winners = f"(select {', '.join(_columns(contract))}, 1 as _copies from {source_table})"
    if is_repeated:
        winners = _WINNERS
        query = _winners(contract, source_table, engine)
        execute(f"create temporary table {_WINNERS} as {query}")
        if engine == "postgres":
            execute(f"analyze {_WINNERS} ({key})")
    decisions = _decisions(contract, winners, engine)
    execute(f"create temporary table {_DECISIONS} as {decisions}")
    if engine == "postgres":
        execute(f"analyze {_DECISIONS} (stored_place)")
    if execute(f"select exists (select 1 from {_DECISIONS} where compared = 0)") == (True,):
        execute(_compare_rest(contract, engine))
    execute(_update(contract, engine))
    if execute(f"select exists (select 1 from {_DECISIONS} where is_earlier)") == (True,):
        execute(_begin_earlier(contract))
    execute(_insert(contract))
    row = execute(_counts(source_table))
    # A transaction may merge more than once.
    for name in (_DECISIONS, *([_WINNERS] if is_repeated else [])):
        execute(f"drop table {name}")
    assert row is not None
    return MergeCounts(*row)


def _winners(contract: Contract, source_table: str, engine: Engine) -> str:
    """A query for the greatest event of each run, with the first event's columns.

    `_copies` is the number of events that say the same as the greatest one.
    """
    key = ", ".join(IDENTITY)
    first_order = leading(contract, "")
    last_order = rest(contract, "", engine, "_differs")
    order = ", ".join(f"{part} desc" for part in (*first_order, *last_order))
    kept = [name for name in _columns(contract) if name not in FIRST_EVENT]
    # Of several first events in one batch the earliest counts, then the least id.
    first = ", ".join(f"first_value({name}) over first_event as {name}" for name in FIRST_EVENT)
    payload = "cast(payload as varchar)"
    return f"""
        with compared as (
            select
                *,
                coalesce(min({payload}) over tied <> max({payload}) over tied, false) as _differs
            from {source_table}
            window tied as (partition by {", ".join((*IDENTITY, *first_order))})
        ),
        ranked as (
            select
                {", ".join(kept)},
                {first},
                row_number() over greatest_first as _position,
                rank() over greatest_first as _place
            from compared
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


def _decisions(contract: Contract, winners: str, engine: Engine) -> str:
    """A query for the winners and what to do with each; stored_id is null for a new run.

    `compared` is 1 where the winner beats the stored row, 0 where more columns are to be looked
    at, -1 where it loses.
    """
    winner = ", ".join(leading(contract, "winner."))
    stored = ", ".join(leading(contract, "stored."))
    # In the order of the index that a new version is written to.
    order = f"order by {', '.join(f'winner.{name}' for name in IDENTITY)}"
    return f"""
        select
            winner.*,
            stored.{_PLACE[engine]} as stored_place,
            stored.id as stored_id,
            case
                when stored.id is null then null
                when row({winner}) > row({stored}) then 1
                when row({winner}) = row({stored}) then 0
                else -1
            end as compared,
            -- Events of one id tell one story, which begins with the earliest of them.
            coalesce(winner.id = stored.id and winner.created_at < stored.created_at, false)
                as is_earlier
        from {winners} as winner
        left join {_runs(contract)} as stored on {_same_run("winner", "stored")}
        {order if engine == "postgres" else ""}
    """


def _compare_rest(contract: Contract, engine: Engine) -> str:
    """The statement that sets `compared` by the rest of the columns; 0 is left for equal rows."""
    differs = "winner.payload is distinct from stored.payload"
    if engine == "duckdb":
        differs = "cast(winner.payload as varchar) is distinct from cast(stored.payload as varchar)"
    winner = ", ".join(rest(contract, "winner.", engine, differs))
    stored = ", ".join(rest(contract, "stored.", engine, differs))
    return f"""
        update {_DECISIONS} as winner
        set compared = case
            when row({winner}) > row({stored}) then 1
            when row({winner}) = row({stored}) then 0
            else -1
        end
        from {_runs(contract)} as stored
        where stored.{_PLACE[engine]} = winner.stored_place and winner.compared = 0
    """


def _update(contract: Contract, engine: Engine) -> str:
    """The statement that puts the winners that beat their stored rows in the place of these."""
    fixed = (*IDENTITY, *FIRST_EVENT)
    changed = [name for name in _columns(contract) if name not in fixed]
    return f"""
        update {_runs(contract)} as runs
        set {", ".join(f"{name} = winner.{name}" for name in changed)}
        from {_DECISIONS} as winner
        where runs.{_PLACE[engine]} = winner.stored_place and winner.compared = 1
    """


def _begin_earlier(contract: Contract) -> str:
    """The statement that lets stored rows begin with the winners that are earlier.

    By their identity: a row that was updated before may be in another place.
    """
    return f"""
        update {_runs(contract)} as runs
        set created_at = winner.created_at
        from {_DECISIONS} as winner
        where {_same_run("runs", "winner")} and winner.is_earlier
    """


def _insert(contract: Contract) -> str:
    columns = ", ".join(_columns(contract))
    return f"""
        insert into {_runs(contract)} ({columns})
        select {columns} from {_DECISIONS} where stored_id is null
    """


def _counts(source_table: str) -> str:
    """A query for the four numbers of MergeCounts."""
    return f"""
        select inserted, updated, unchanged, events - inserted - updated - unchanged
        from (
            select
                count(*) filter (where stored_id is null) as inserted,
                count(*) filter (where compared = 1) as updated,
                cast(coalesce(sum(
                    case
                        when stored_id is null or compared = 1 then _copies - 1
                        when compared = 0 then _copies
                        else 0
                    end
                ), 0) as bigint) as unchanged,
                (select count(*) from {source_table}) as events
            from {_DECISIONS}
        ) as counted
    """


def _columns(contract: Contract) -> tuple[str, ...]:
    return contract.tables["runs"].column_names


def _runs(contract: Contract) -> str:
    return f"{contract.schema}.runs"


def _same_run(one: str, other: str) -> str:
    return " and ".join(f"{one}.{name} = {other}.{name}" for name in IDENTITY)
