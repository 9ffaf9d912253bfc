"""Add a further data set to tables that hold one: new rows come in, none is lost or rewritten.

Of a run that is there already, the version wins that the contract's merge rule says. A client,
pipeline or alert rule that is there must be as it was: a batch does not rewrite the inventory.
"""

from collections.abc import Callable
from typing import Any

from chm.contract import Contract, Table
from chm.errors import ChmError

Execute = Callable[[str], Any]
# The table whose rows are merged.
MERGED = "runs"


def add_new_rows(execute: Execute, contract: Contract, table: Table, incoming: str) -> int:
    """Insert the rows of `incoming` whose id is not in the table; return their number.

    Raises:
        ChmError: a row that is there differs; names its id and columns.
    """
    held = f"{contract.schema}.{table.name}"
    key = table.primary_key
    _refuse_changed(execute, table, held, incoming)
    columns = ", ".join(table.column_names)
    counted = execute(
        f"select count(*) from {incoming} as new "
        f"where not exists (select 1 from {held} as held where held.{key} = new.{key})"
    ).fetchone()
    execute(
        f"insert into {held} ({columns}) select {columns} from {incoming} as new "
        f"where not exists (select 1 from {held} as held where held.{key} = new.{key})"
    )
    return int(counted[0])


def _refuse_changed(execute: Execute, table: Table, held: str, incoming: str) -> None:
    key = table.primary_key
    others = [name for name in table.column_names if name != key]
    tests = [f"held.{name} is distinct from new.{name}" for name in others]
    row = execute(
        f"select new.{key}, {', '.join(tests)} from {incoming} as new "
        f"inner join {held} as held on held.{key} = new.{key} "
        f"where {' or '.join(tests)} order by new.{key} limit 1"
    ).fetchone()
    if row is not None:
        changed = [name for name, differs in zip(others, row[1:], strict=True) if differs]
        raise ChmError(
            f"{table.name} {row[0]} is there with another {', '.join(changed)}: nothing was "
            "loaded; --append adds rows and merges runs, it changes no row of "
            f"{table.name}"
        )
