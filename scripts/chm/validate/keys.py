"""The rules that need more than one row, as SQL queries over `checked_<table>`."""

from dataclasses import dataclass

from chm.contract import Column, Contract, ForeignKey, Table, UniqueKey
from chm.validate.sql import checked_table, is_set, literal, text_of


@dataclass(frozen=True)
class Query:
    """The rows of `table` that break `rule` in `column`.

    `sql` gives _row, value, message and earlier_row: the row that the message goes on to name,
    or null.
    """

    rule: str
    table: str
    column: str
    sql: str


def table_queries(contract: Contract, table: Table, incomplete: frozenset[str]) -> list[Query]:
    """Return the queries for one table.

    What needs a table that is not there as a whole is left out: a row that seems to be
    missing may be one that could not be read.
    """
    queries = [_unique(table, "R03", [UniqueKey("R03", (table.primary_key,))])]
    for key in table.unique:
        keys = [key]
        if table.name == "runs" and "external_run_id" in key.columns:
            keys.append(UniqueKey(key.rule, ("_file", "external_run_id")))
        queries.append(_unique(table, key.rule, keys))
    queries += [
        _resolves(table, column, contract.tables[column.references])
        for column in table.columns
        if column.references and column.references not in incomplete
    ]
    queries += [
        _belongs(contract, table, key) for key in table.foreign_keys if key.table not in incomplete
    ]
    if table.name == "runs" and "pipelines" not in incomplete:
        queries.append(_usual_range(contract, table))
    return queries


def _unique(table: Table, rule: str, keys: list[UniqueKey]) -> Query:
    """Every row after the first with the same key, once also if it repeats several keys."""
    repeats = " union all ".join(_repeats(table, key, order) for order, key in enumerate(keys))
    column = keys[0].columns[-1]
    return Query(
        rule,
        table.name,
        column,
        f"select distinct on (_row) _row, {text_of(column)} as value, message, earlier_row "
        f"from ({repeats}) order by _row, key_order",
    )


def _repeats(table: Table, key: UniqueKey, order: int) -> str:
    shown = text_of(key.columns[-1])
    parts = [f"{name} as key_{index}" for index, name in enumerate(key.columns)]
    taking_part = [_takes_part(table, name, key.nulls_equal) for name in key.columns]
    if key.where:
        taking_part.append(key.where)
    names = [f"key_{index}" for index in range(len(key.columns))]
    same = " and ".join(f"k.{name} is not distinct from r.{name}" for name in names)
    keyed = (
        f"select _row, {shown}, {', '.join(parts)} from {checked_table(table)} "
        f"where {' and '.join(taking_part)}"
    )
    # Only the rows of repeated keys are sorted; most data sets have none.
    return (
        f"(with keyed as ({keyed}), "
        f"repeated as (select {', '.join(names)} from keyed group by all having count(*) > 1) "
        f"select k._row, k.{shown}, {literal(_repeat_message(key))} as message, "
        f"min(k._row) over (partition by {', '.join(f'k.{name}' for name in names)}) "
        f"as earlier_row, {order} as key_order "
        f"from keyed as k semi join repeated as r on {same} "
        f"qualify k._row > earlier_row)"
    )


def _takes_part(table: Table, name: str, nulls_equal: bool) -> str:
    if nulls_equal and name in table.column_names:
        return f"({name} is not null or {text_of(name)} is null)"
    return f"{name} is not null"


def _repeat_message(key: UniqueKey) -> str:
    columns = [name for name in key.columns if name != "_file"]
    within = " in its file" if "_file" in key.columns else ""
    by = f" by ({', '.join(columns)})" if len(columns) > 1 else ""
    return f"is not unique{by}{within}: used before at"


def _resolves(table: Table, column: Column, parent: Table) -> Query:
    text = text_of(column.name)
    return Query(
        "R05",
        table.name,
        column.name,
        f"select _row, {text} as value, {literal(f'is not an id in {parent.name}')} as message, "
        f"null as earlier_row from {checked_table(table)} "
        f"where {is_set(column)} and not {_is_id(text, parent)}",
    )


def _is_id(text: str, parent: Table) -> str:
    # As text: a malformed id is a fault of its own table, not of the rows that refer to it.
    parent_id = f"lower({text_of(parent.primary_key)})"
    return (
        f"lower({text}) in (select {parent_id} from {checked_table(parent)} "
        f"where {parent_id} is not null)"
    )


def _belongs(contract: Contract, table: Table, key: ForeignKey) -> Query:
    """Rows whose ids are each in its table, but do not belong together."""
    parent = contract.tables[key.table]
    resolved = [
        _is_id(text_of(name), contract.tables[references])
        for name in key.columns
        if (references := table.column(name).references)
    ]
    pairs = zip(key.columns, key.to, strict=True)
    same = " and ".join(f"p.{to} = c.{name}" for name, to in pairs)
    others = " || ' and ' || ".join(
        f"'{name} ''' || {text_of(name)} || ''''" for name in key.columns[1:]
    )
    return Query(
        key.rule,
        table.name,
        key.columns[0],
        f"select _row, {text_of(key.columns[0])} as value, "
        f"'is not in {parent.name} with ' || {others} as message, null as earlier_row "
        f"from {checked_table(table)} as c "
        f"where {' and '.join(f'{name} is not null' for name in key.columns)} "
        f"and {' and '.join(resolved)} "
        f"and not exists (select 1 from {checked_table(parent)} as p where {same})",
    )


def _usual_range(contract: Contract, table: Table) -> Query:
    """W02; a number below its minimum breaks R09 instead."""
    types = contract.enums["pipeline_types"]
    least = types.numbers("usual_rows_processed_min")
    most = types.numbers("usual_rows_processed_max")
    ranges = ", ".join(
        f"({literal(value)}, {least[value]}, {most[value]})" for value in types.values
    )
    return Query(
        "W02",
        table.name,
        "rows_processed",
        # A pipeline whose id is there twice has no certain type.
        "with pipeline as (select id, min(pipeline_type) as pipeline_type "
        "from checked_pipelines group by id having count(*) = 1) "
        f"select r._row, r.{text_of('rows_processed')} as value, "
        "'is outside the usual ' || u.least || ' to ' || u.most || ' of type ' "
        "|| u.pipeline_type as message, null as earlier_row "
        f"from {checked_table(table)} as r join pipeline as p on p.id = r.pipeline_id "
        f"join (values {ranges}) as u (pipeline_type, least, most) "
        "on u.pipeline_type = p.pipeline_type "
        f"where r.rows_processed >= {table.column('rows_processed').minimum} "
        "and r.rows_processed not between u.least and u.most",
    )
