"""Reset a PostgreSQL database."""

from collections.abc import Sequence
from typing import Any

import psycopg

from chm.contract import load_contract
from chm.errors import ChmError
from chm.load.postgres_aside import WORK_COMMENT
from chm.load.postgres_switch import STAND_IN_COMMENT
from chm.postgres import connect
from chm.reset.found import Ask, Found, Relation, count_rows, ordered
from chm.targets import PostgresTarget

LOCK_TIMEOUT_SECONDS = 60


def reset_postgres(
    loader: PostgresTarget, builder: PostgresTarget, dbt_names: set[tuple[str, str]], ask: Ask
) -> Found:
    """Drop the raw tables with their types, and the relations of these names.

    Raises:
        ChmError: `ask` raises it, the server can't be reached or refuses, or something of others
            depends on what would go.
    """
    dropped = "nothing was dropped"
    try:
        with connect(builder) as building, connect(loader) as loading:
            built = ordered(
                [row for row in _present(building) if (row.schema, row.name) in dbt_names]
            )
            raw = _raw_tables(loading)
            types = _raw_types(loading)
            # The other tables are empty, or were never in place.
            tables = [row for row in raw if row.name in load_contract().tables]
            rows = sum(count_rows(loading, row) for row in tables)
            found = Found((*built, *raw), tuple(types), rows)
            if not (built or raw or types):
                return found
            # No lock is held while somebody thinks.
            loading.rollback()
            building.rollback()
            ask(found)
            for connection in (loading, building):
                connection.execute(f"set lock_timeout = '{LOCK_TIMEOUT_SECONDS}s'")
            own = _oids(loading, found.relations)
            for connection in (loading, building):
                if _may_drop(connection, own):
                    _drop(connection, list(found.relations), types)
                    connection.commit()
                    return found
            if raw:
                names = ", ".join(map(str, raw))
                loading.execute(f"lock table {names} in access exclusive mode")
            _refuse_dependents(loading, own, types)
            _drop(building, built, [])
            building.commit()
            dropped = "what dbt built was dropped, the raw tables were not"
            _drop(loading, raw, types)
            loading.commit()
            return found
    except psycopg.errors.LockNotAvailable:
        raise ChmError(
            f"{loader.place}: others go on using what would go (waited {LOCK_TIMEOUT_SECONDS} s); "
            f"{dropped}"
        ) from None
    except psycopg.Error as error:
        reason = "; ".join(str(error).strip().splitlines())
        raise ChmError(f"{loader.place}: {reason}; {dropped}") from None


def _oids(connection: Any, relations: Sequence[Relation]) -> list[int]:  # noqa: ANN401
    # By the catalog: a role may be without the right to look a name up in the other's schemas.
    rows = connection.execute(
        "select pg_class.oid from unnest(%s::text[], %s::text[]) as wanted (schema, name) "
        "inner join pg_namespace on nspname = wanted.schema "
        "inner join pg_class on relnamespace = pg_namespace.oid and relname = wanted.name",
        [[row.schema for row in relations], [row.name for row in relations]],
    ).fetchall()
    return [oid for (oid,) in rows]


def _may_drop(connection: Any, oids: list[int]) -> bool:  # noqa: ANN401
    """Whether one role may drop all of them."""
    row = connection.execute(
        "select bool_and(pg_has_role(relowner, 'usage') "
        "and has_schema_privilege(relnamespace, 'usage')) "
        "from pg_class where oid = any(%s)",
        [oids],
    ).fetchone()
    return bool(row == (True,))


def _refuse_dependents(connection: Any, oids: list[int], types: list[str]) -> None:  # noqa: ANN401
    """Stop a reset in two transactions before the first, where something of others would end it.

    Raises:
        ChmError: names what depends on a raw table or type.
    """
    rows = connection.execute(_DEPENDENTS, {"own": oids, "types": types}).fetchall()
    if rows:
        names = ", ".join(name for (name,) in rows)
        raise ChmError(f"{names} depends on what would go; nothing was dropped")


_DEPENDENTS = """
    with own as (select unnest(%(own)s::oid[]) as oid),
    found as (
        select
            pg_depend.classid, pg_depend.objid,
            coalesce(pg_rewrite.ev_class, pg_constraint.conrelid, pg_depend.objid) as relation
        from pg_depend
        left join pg_rewrite on classid = 'pg_rewrite'::regclass and pg_rewrite.oid = objid
        left join pg_constraint
            on classid = 'pg_constraint'::regclass and pg_constraint.oid = objid and conrelid <> 0
        where deptype = 'n' and (
            refclassid = 'pg_class'::regclass and refobjid in (select oid from own)
            or refclassid = 'pg_type'::regclass
                and refobjid in (select to_regtype(name) from unnest(%(types)s::text[]) as name)
        )
    )
    select distinct case relation
        when objid then pg_describe_object(classid, objid, 0)
        else pg_describe_object('pg_class'::regclass, relation, 0)
    end
    from found
    where relation not in (select oid from own) and not exists (
        select from pg_depend as part
        where part.classid = found.classid and part.objid = found.objid
            and part.deptype in ('a', 'i') and part.refobjid in (select oid from own)
    )
    order by 1
"""


def _present(connection: Any) -> list[Relation]:  # noqa: ANN401
    rows = connection.execute(
        "select nspname, relname, relkind = 'v' from pg_class "
        "inner join pg_namespace on pg_namespace.oid = relnamespace where relkind in ('r', 'v')"
    ).fetchall()
    return [Relation(*row) for row in rows]


def _raw_tables(connection: Any) -> list[Relation]:  # noqa: ANN401
    """The four tables, what a killed load left beside them, and the stand-ins for old views."""
    contract = load_contract()
    marked = connection.execute(
        "select relname from pg_class where relnamespace = to_regnamespace(%s) "
        "and obj_description(oid, 'pg_class') = any(%s)",
        [contract.schema, [STAND_IN_COMMENT, WORK_COMMENT]],
    ).fetchall()
    names = [*reversed(contract.tables), *(name for (name,) in marked)]
    there = {row.name for row in _present(connection) if row.schema == contract.schema}
    return [Relation(contract.schema, name, False) for name in names if name in there]


def _raw_types(connection: Any) -> list[str]:  # noqa: ANN401
    contract = load_contract()
    names = [f"{contract.schema}.{enum.key}" for enum in contract.enums.values()]
    return [
        name
        for name in names
        if connection.execute("select to_regtype(%s)", [name]).fetchone() != (None,)
    ]


def _drop(connection: Any, relations: list[Relation], types: list[str]) -> None:  # noqa: ANN401
    # All at once: what they have to do with each other does not stop them, others' views do.
    for kind, is_view in (("view", True), ("table", False)):
        names = [str(relation) for relation in relations if relation.is_view == is_view]
        if names:
            connection.execute(f"drop {kind} {', '.join(names)}")
    if types:
        connection.execute(f"drop type {', '.join(types)}")
