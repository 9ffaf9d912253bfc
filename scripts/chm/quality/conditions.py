"""The contract's rules that need more than one column or row, as SQL over a raw table."""

from dataclasses import dataclass

from chm.contract import Contract, ForeignKey, Table, UniqueKey
from chm.contract.ddl import Engine, is_json_object


@dataclass(frozen=True)
class Condition:
    """A row breaks `rule` where `test`, an SQL condition, is false.

    `columns` are those to blame, `text` says what must hold of them.
    """

    rule: str
    columns: tuple[str, ...]
    text: str
    test: str

    @property
    def name(self) -> str:
        """The name of the column that holds the ids of the rows that break the rule."""
        return f"{self.rule.lower()}_{'_'.join(self.columns)}"


def table_conditions(contract: Contract, table: Table, engine: Engine) -> list[Condition]:
    """Return the conditions of one table; all but R11 are the same for every engine."""
    return [
        *(_is_unique(key) for key in table.unique if len(key.columns) > 1 or key.where),
        *(
            _is_found(
                contract, table, ForeignKey("R05", (column.name,), column.references, ("id",))
            )
            for column in table.columns
            if column.references
        ),
        *(_is_found(contract, table, key) for key in table.foreign_keys),
        *(Condition(check.rule, (check.column,), check.test, check.test) for check in table.checks),
        *(
            Condition("R11", (column.name,), "is a JSON object", is_json_object(column, engine))
            for column in table.columns
            if column.sql_type == "jsonb"
        ),
    ]


def _is_unique(key: UniqueKey) -> Condition:
    exempt = [] if key.nulls_equal else [f"{name} is null" for name in key.columns]
    group = [*key.columns]
    if key.where:
        exempt.append(f"({key.where}) is not true")
        group.append(key.where)
    alone = f"count(*) over (partition by {', '.join(group)}) = 1"
    where = f" where {key.where}" if key.where else ""
    return Condition(key.rule, key.columns, f"is unique{where}", " or ".join([*exempt, alone]))


def _is_found(contract: Contract, table: Table, key: ForeignKey) -> Condition:
    exempt = [f"{table.name}.{name} is null" for name in key.columns]
    match = " and ".join(
        f"parent.{to} = {table.name}.{name}" for name, to in zip(key.columns, key.to, strict=True)
    )
    found = f"exists (select 1 from {contract.schema}.{key.table} as parent where {match})"
    text = f"is found in {key.table} ({', '.join(key.to)})"
    return Condition(key.rule, key.columns, text, " or ".join([*exempt, found]))
