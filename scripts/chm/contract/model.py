"""The contract as plain values; `reader` fills them from the dbt project."""

from dataclasses import dataclass


@dataclass(frozen=True)
class EnumList:
    """The allowed values of a column, with what each means.

    `name` is the seed's name, `key` its first column (also the name of the PostgreSQL type),
    `rows` maps each value to its line of the seed, every field as text.
    """

    name: str
    key: str
    rows: dict[str, dict[str, str]]

    @property
    def values(self) -> tuple[str, ...]:
        """The allowed values, in the seed's order."""
        return tuple(self.rows)

    def numbers(self, column: str) -> dict[str, int]:
        """Map each value to a whole-number column of the seed."""
        return {value: int(row[column]) for value, row in self.rows.items()}

    def flagged(self, column: str) -> tuple[str, ...]:
        """The values whose boolean column of the seed is true."""
        return tuple(value for value, row in self.rows.items() if row[column] == "true")


@dataclass(frozen=True)
class Column:
    """A column: PostgreSQL type, whether it must be set, and what its values refer to.

    `enum` names an EnumList, `references` the table whose id it holds, `minimum` the least
    value allowed by the rule `minimum_rule`.
    """

    name: str
    sql_type: str
    description: str
    required: bool = False
    enum: str | None = None
    references: str | None = None
    minimum: int | None = None
    minimum_rule: str | None = None

    @property
    def is_text(self) -> bool:
        """Whether the column holds free text: no enum, no id, no number."""
        return self.enum is None and self.sql_type in ("text", "jsonb")


@dataclass(frozen=True)
class UniqueKey:
    """No two rows share `columns`, looking only at the rows where `where` holds.

    Rows with an empty column take no part, unless `nulls_equal`.
    """

    rule: str
    columns: tuple[str, ...]
    where: str | None = None
    nulls_equal: bool = False


@dataclass(frozen=True)
class ForeignKey:
    """`columns` of a row are found as `to` in `table`; a row with an empty column is exempt."""

    rule: str
    columns: tuple[str, ...]
    table: str
    to: tuple[str, ...]


@dataclass(frozen=True)
class Check:
    """An SQL condition over one row, true or null for a good row; `column` is the one to blame."""

    rule: str
    column: str
    test: str


@dataclass(frozen=True)
class Table:
    """One of the four tables, with every constraint that holds in raw."""

    name: str
    primary_key: str
    columns: tuple[Column, ...]
    unique: tuple[UniqueKey, ...]
    foreign_keys: tuple[ForeignKey, ...]
    checks: tuple[Check, ...]

    @property
    def column_names(self) -> tuple[str, ...]:
        """The names of the columns, in the contract's order."""
        return tuple(column.name for column in self.columns)

    def column(self, name: str) -> Column:
        """Return the column called `name`; KeyError if there is none."""
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(name)


@dataclass(frozen=True)
class Contract:
    """The tables, parents before children, and the enums by their seed's name."""

    schema: str
    tables: dict[str, Table]
    enums: dict[str, EnumList]
