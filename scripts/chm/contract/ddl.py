"""The raw tables' DDL, derived from the contract, for each engine."""

from collections.abc import Collection
from typing import Literal

from chm.contract.model import Column, Contract, Table, UniqueKey

Engine = Literal["duckdb", "postgres"]


def enum_statements(contract: Contract) -> list[str]:
    """Statements that make PostgreSQL's enum types, or add the values that they lack.

    Each may be repeated. A value added to a type can't be used in the same transaction,
    so commit before loading.
    """
    statements = []
    for enum in contract.enums.values():
        type_name = f"{contract.schema}.{enum.key}"
        statements.append(
            f"do $$ begin if to_regtype('{type_name}') is null "
            f"then create type {type_name} as enum (); end if; end $$"
        )
        statements += [
            f"alter type {type_name} add value if not exists {_literal(value)}"
            for value in enum.values
        ]
    return statements


def table_statements(
    contract: Contract, engine: Engine, without_keys: Collection[str] = ()
) -> list[str]:
    """Statements that make the four tables with every constraint, parents first.

    The tables in `without_keys` get no primary, unique or foreign key: they are for a load that
    adds or checks these once its rows are in.

    PostgreSQL: enum types, primary, foreign and unique keys, checks. DuckDB has neither
    alterable enum types nor partial indexes: its enums are checks, and a unique key with
    a condition (R16) is left to the validator and the tests.
    """
    return [
        statement
        for table in contract.tables.values()
        for statement in _table_statements(
            contract, table, engine, with_keys=table.name not in without_keys
        )
    ]


def key_statements(contract: Contract, table: Table) -> list[str]:
    """Statements that add the primary, unique and foreign keys to a PostgreSQL table."""
    name = f"{contract.schema}.{table.name}"
    keys = [f"alter table {name} add {line}" for line in _key_lines(contract, table)]
    return keys + _index_statements(contract, table)


def key_name(table: Table, key: UniqueKey) -> str:
    """Return the name of a unique key; PostgreSQL cuts it after 63 letters."""
    return f"{table.name}_{key.rule.lower()}_{'_'.join(key.columns)}"


def _table_statements(
    contract: Contract, table: Table, engine: Engine, *, with_keys: bool
) -> list[str]:
    lines = [_column_line(contract, column, engine) for column in table.columns]
    if with_keys:
        lines += _key_lines(contract, table)
    lines += [
        f"constraint {table.name}_{check.column}_{check.rule.lower()} check ({check.test})"
        for check in table.checks
    ]
    body = ",\n    ".join(lines)
    statements = [f"create table if not exists {contract.schema}.{table.name} (\n    {body}\n)"]
    if engine == "postgres" and with_keys:
        statements += _index_statements(contract, table)
    return statements


def _key_lines(contract: Contract, table: Table) -> list[str]:
    """The keys as PostgreSQL's and DuckDB's table constraints, the primary key first."""
    lines = [f"primary key ({table.primary_key})"]
    lines += [
        f"constraint {key_name(table, key)} unique ({', '.join(key.columns)})"
        for key in table.unique
        if not key.where
    ]
    # The target of a composite foreign key needs a unique key of its own.
    lines += [
        f"constraint {table.name}_{'_'.join(columns)}_key unique ({', '.join(columns)})"
        for columns in _composite_targets(contract, table)
    ]
    lines += [
        f"foreign key ({column.name}) references {contract.schema}.{column.references} (id)"
        for column in table.columns
        if column.references
    ]
    lines += [
        f"foreign key ({', '.join(key.columns)}) "
        f"references {contract.schema}.{key.table} ({', '.join(key.to)})"
        for key in table.foreign_keys
    ]
    return lines


def _index_statements(contract: Contract, table: Table) -> list[str]:
    """The unique keys with a condition, which PostgreSQL has as indexes alone."""
    return [
        f"create unique index if not exists {key_name(table, key)} "
        f"on {contract.schema}.{table.name} "
        f"({', '.join(key.columns)}){' nulls not distinct' if key.nulls_equal else ''} "
        f"where {key.where}"
        for key in table.unique
        if key.where
    ]


def _column_line(contract: Contract, column: Column, engine: Engine) -> str:
    parts = [column.name, _column_type(contract, column, engine)]
    if column.required:
        parts.append("not null")
    if column.minimum is not None:
        parts.append(f"check ({column.name} >= {column.minimum})")
    if column.enum and engine == "duckdb":
        values = ", ".join(_literal(value) for value in contract.enums[column.enum].values)
        parts.append(f"check ({column.name} in ({values}))")
    if column.sql_type == "jsonb":
        parts.append(f"check ({is_json_object(column, engine)})")
    return " ".join(parts)


def is_json_object(column: Column, engine: Engine) -> str:
    """Return the SQL condition that a JSON column holds an object."""
    function = "jsonb_typeof" if engine == "postgres" else "json_type"
    return f"lower({function}({column.name})) = 'object'"


def _column_type(contract: Contract, column: Column, engine: Engine) -> str:
    if engine == "duckdb":
        return "json" if column.sql_type == "jsonb" else column.sql_type
    if column.enum:
        return f"{contract.schema}.{contract.enums[column.enum].key}"
    return column.sql_type


def _composite_targets(contract: Contract, table: Table) -> list[tuple[str, ...]]:
    keys = [key for child in contract.tables.values() for key in child.foreign_keys]
    return list(dict.fromkeys(key.to for key in keys if key.table == table.name))


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
