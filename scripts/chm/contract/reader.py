"""Read the contract from the dbt source definition and the enum seeds."""

import csv
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from chm.contract.model import Check, Column, Contract, EnumList, ForeignKey, Table, UniqueKey
from chm.project import project_dir

SOURCES_FILE = Path("models/staging/_monitoring__sources.yml")


def load_contract() -> Contract:
    """Return the contract of this project: four tables in dependency order and their enums."""
    return _read(project_dir())


@cache
def _read(folder: Path) -> Contract:
    document = yaml.safe_load((folder / SOURCES_FILE).read_text("utf-8"))
    source = document["sources"][0]
    tables = {entry["name"]: _table(entry) for entry in source["tables"]}
    enum_names = dict.fromkeys(
        column.enum for table in tables.values() for column in table.columns if column.enum
    )
    enums = {name: read_enum(folder / "seeds" / f"{name}.csv") for name in enum_names}
    return Contract(schema=source["schema"], tables=tables, enums=enums)


def read_enum(path: Path) -> EnumList:
    """Read a seed whose first column lists the values of an enum."""
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        key = (reader.fieldnames or [""])[0]
        rows = {row[key]: dict(row) for row in reader}
    return EnumList(name=path.stem, key=key, rows=rows)


def _table(entry: dict[str, Any]) -> Table:
    meta = entry["config"]["meta"]
    return Table(
        name=entry["name"],
        primary_key=meta["primary_key"],
        columns=tuple(_column(column) for column in entry["columns"]),
        unique=tuple(
            UniqueKey(
                rule=key["rule"],
                columns=tuple(key["columns"]),
                where=key.get("where"),
                nulls_equal=key.get("nulls_equal", False),
            )
            for key in meta.get("unique", [])
        ),
        foreign_keys=tuple(
            ForeignKey(
                rule=key["rule"],
                columns=tuple(key["columns"]),
                table=key["table"],
                to=tuple(key["to"]),
            )
            for key in meta.get("foreign_keys", [])
        ),
        checks=tuple(Check(**check) for check in meta.get("checks", [])),
    )


def _column(entry: dict[str, Any]) -> Column:
    meta = entry.get("config", {}).get("meta", {})
    return Column(
        name=entry["name"],
        sql_type=entry["data_type"],
        description=entry["description"],
        required=meta.get("required", False),
        enum=meta.get("enum"),
        references=meta.get("references"),
        minimum=meta.get("minimum"),
        minimum_rule=meta.get("rule"),
    )
