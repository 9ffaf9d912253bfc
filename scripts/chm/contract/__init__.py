"""The data contract: four tables, their columns, enums and rules, read from the dbt project."""

from chm.contract.model import (
    Check,
    Column,
    Contract,
    EnumList,
    ForeignKey,
    Table,
    UniqueKey,
)
from chm.contract.reader import load_contract

__all__ = [
    "Check",
    "Column",
    "Contract",
    "EnumList",
    "ForeignKey",
    "Table",
    "UniqueKey",
    "load_contract",
]
