"""What Great Expectations expects of the raw tables, derived from the data contract.

A rule over one column is an expectation on that column. A rule over several columns or rows is
worked out by the database as a column with the ids of the rows that break it, which is expected
to be null: so both engines run the same SQL and the same expectations, whether a batch is a
query or a data frame.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from chm.contract import Column, Contract, Table
from chm.contract.ddl import Engine
from chm.quality.conditions import table_conditions


@dataclass(frozen=True)
class Expected:
    """An expectation: `kind` and `arguments` are Great Expectations' type and kwargs.

    `rule` is the data contract's, `text` says what must hold of `columns`.
    """

    rule: str
    columns: tuple[str, ...]
    text: str
    kind: str
    arguments: dict[str, Any]

    @property
    def words(self) -> str:
        """The columns and what must hold of them."""
        return " ".join(filter(None, [", ".join(self.columns), self.text]))


def columns_query(contract: Contract, table: Table) -> str:
    """Return the query of the batch that `expected_columns` is about."""
    return f"select * from {contract.schema}.{table.name} limit 0"


def expected_columns(table: Table) -> list[Expected]:
    """Return what is expected of the table itself: its columns."""
    return [
        Expected(
            "R01",
            (),
            "the columns are exactly those of the data contract",
            "expect_table_columns_to_match_set",
            {"column_set": list(table.column_names), "exact_match": True},
        )
    ]


def rows_query(contract: Contract, table: Table, engine: Engine) -> str:
    """Return the query of the batch that `expected_rows` is about.

    Columns are read as text, which both engines and data frames take alike, but for numbers.
    """
    columns = [
        f"cast({column.name} as {'text' if column.minimum is None else column.sql_type}) "
        f"as {column.name}"
        for column in table.columns
        if column.name == table.primary_key or any(_column_expectations(contract, table, column))
    ]
    outcomes = [
        # A test that is null says nothing about the row.
        f"case when not ({condition.test}) then cast({table.primary_key} as text) end "
        f"as {condition.name}"
        for condition in table_conditions(contract, table, engine)
    ]
    return f"select {', '.join(columns + outcomes)} from {contract.schema}.{table.name}"


def expected_rows(contract: Contract, table: Table, engine: Engine) -> list[Expected]:
    """Return what is expected of the table's rows."""
    expected = [
        expectation
        for column in table.columns
        for expectation in _column_expectations(contract, table, column)
    ]
    expected += [
        Expected(
            condition.rule,
            condition.columns,
            condition.text,
            "expect_column_values_to_be_null",
            {"column": condition.name},
        )
        for condition in table_conditions(contract, table, engine)
    ]
    return expected


def _column_expectations(contract: Contract, table: Table, column: Column) -> Iterator[Expected]:
    def expected(rule: str, text: str, kind: str, **arguments: Any) -> Expected:  # noqa: ANN401
        return Expected(rule, (column.name,), text, kind, {"column": column.name, **arguments})

    if column.required:
        yield expected("R02", "is not null", "expect_column_values_to_not_be_null")
    if column.name == table.primary_key:
        yield expected("R03", "is unique", "expect_column_values_to_be_unique")
    for key in table.unique:
        if key.columns == (column.name,) and not key.where:
            yield expected(key.rule, "is unique", "expect_column_values_to_be_unique")
    if column.enum:
        values = list(contract.enums[column.enum].values)
        yield expected(
            "R06",
            f"is one of {', '.join(values)}",
            "expect_column_values_to_be_in_set",
            value_set=values,
        )
    if column.minimum is not None:
        yield expected(
            str(column.minimum_rule),
            f"is at least {column.minimum}",
            "expect_column_values_to_be_between",
            min_value=column.minimum,
        )
