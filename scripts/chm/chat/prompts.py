"""The prompts for a chat model, filled in with the contract and a data set's id registry."""

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from string import Template

from chm.chat.registry import read_rows
from chm.contract import Column, Contract, EnumList, Table, load_contract
from chm.errors import ChmError
from chm.generate.append import next_batch, refuse_known_batch
from chm.project import project_dir
from chm.registry import ENTITY_TYPES, read_registry
from chm.validate import RULES
from chm.words import counted

_TEMPLATES = Path(__file__).parent / "prompts"
_DOC = re.compile(r"{% docs (\w+) %}\s*(.*?)\s*{% enddocs %}", re.DOTALL)
_REFERENCE = re.compile(r"{{ doc\('(\w+)'\) }}")
_POOLS_SECTION = re.compile(r"^### Texts of failures.*?$(.*?)(?=^##)", re.DOTALL | re.MULTILINE)
_POOLS = Path("scripts/chm/generate/templates")
# The options of the command, and what they fill in.
_FILLED_IN = {
    "--from": ("registry", "taken", "so_far"),
    "--clients": ("clients",),
    "--pipelines": ("pipelines",),
    "--rows": ("rows",),
    "--batch": ("batch",),
    "--from-date": ("first_day",),
    "--to-date": ("last_day",),
}


@dataclass(frozen=True)
class Order:
    """What a prompt asks for: how many rows, of which days (both included), which batch."""

    clients: int
    pipelines: int
    rows: int
    first_day: date
    last_day: date
    batch: int | None = None


def refuse_idle(name: str, options: Iterable[str]) -> None:
    """Refuse options that leave a prompt as it is.

    Args:
        name: The name of a file in prompts/.
        options: The options that were given.

    Raises:
        ChmError: nothing that an option fills in is in the prompt; the exit code is 2.
    """
    text = (_TEMPLATES / f"{name}.md").read_text("utf-8")

    def has(option: str) -> bool:
        return any(f"${{{placeholder}}}" in text for placeholder in _FILLED_IN[option])

    idle = [option for option in options if not has(option)]
    if idle:
        known = [option for option in _FILLED_IN if has(option)]
        takes = f"it takes {', '.join(known)}" if known else "it takes no options"
        raise ChmError(f"the prompt {name} has no use for {', '.join(idle)}: {takes}", 2)


def make_prompt(name: str, order: Order, folder: Path | None = None) -> str:
    """Return the text of a prompt, ready to paste into a chat model.

    Args:
        name: The name of a file in prompts/.
        order: What to ask for.
        folder: The data set whose clients and pipelines the prompt lists.

    Raises:
        ChmError: the prompt needs clients and pipelines and `folder` has none, or the days
            are in the wrong order, the pipelines fewer than the clients, or the batch is there.
    """
    if order.first_day > order.last_day:
        raise ChmError(f"--from-date {order.first_day} is after --to-date {order.last_day}", 2)
    if order.pipelines < order.clients:
        raise ChmError(
            f"--pipelines {order.pipelines} is less than --clients {order.clients}: each new "
            "client has at least one pipeline",
            2,
        )
    contract = load_contract()
    text = (_TEMPLATES / f"{name}.md").read_text("utf-8")
    known = _known(folder) if folder else {table: [] for table in ENTITY_TYPES}
    if "${registry}" in text and not known["pipelines"]:
        where = f"{folder} has none" if folder else "name their data set with --from"
        raise ChmError(f"the prompt {name} needs clients and pipelines: {where}")
    values = _contract_values(contract) | _order_values(order, folder)
    values |= {"registry": _registry(known), "taken": _taken(known), "so_far": _so_far(known)}
    if "${pools}" in text:
        values |= _pool_values()
    return Template(text).substitute(values)


def _contract_values(contract: Contract) -> dict[str, str]:
    docs = _docs()
    described = {name: _table(contract, table, docs) for name, table in contract.tables.items()}
    headers = {name: ",".join(table.column_names) for name, table in contract.tables.items()}
    return {
        **{f"table_{name}": text for name, text in described.items()},
        **{f"header_{name}": header for name, header in headers.items()},
        "tables": "\n\n".join(described.values()),
        "enums": "\n\n".join(_enum(enum) for enum in contract.enums.values()),
        "platforms": _enum(contract.enums["platforms"]),
        "errors": _rules("R"),
        "warnings": _rules("W"),
        "ranges": _ranges(contract.enums["pipeline_types"]),
        "format": (_TEMPLATES / "_format.md").read_text("utf-8").strip(),
    }


def _docs() -> dict[str, str]:
    paths = sorted((project_dir() / "models").rglob("*.md"))
    return dict(pair for path in paths for pair in _DOC.findall(path.read_text("utf-8")))


def _table(contract: Contract, table: Table, docs: Mapping[str, str]) -> str:
    columns = "\n".join(
        f"- `{item.name}`: {_column(contract, item, docs)}" for item in table.columns
    )
    return f"### {table.name}\n\n    {','.join(table.column_names)}\n\n{columns}"


def _column(contract: Contract, column: Column, docs: Mapping[str, str]) -> str:
    parts = [column.sql_type, "required" if column.required else "may be empty"]
    if column.enum:
        parts.append("one of " + ", ".join(contract.enums[column.enum].values))
    if column.references:
        parts.append(f"an id of {column.references}")
    if column.minimum is not None:
        parts.append(f"at least {column.minimum}")
    reference = _REFERENCE.fullmatch(column.description)
    description = docs.get(reference[1], "") if reference else column.description
    return f"{'; '.join(parts)}. {description}"


def _enum(enum: EnumList) -> str:
    lines = []
    for value, row in enum.rows.items():
        facts = [text for name, text in row.items() if name not in (enum.key, "description")]
        names = [name for name in row if name not in (enum.key, "description")]
        pairs = ", ".join(f"{name} {fact}" for name, fact in zip(names, facts, strict=True))
        lines.append(f"- `{value}`: {row.get('description', '')} ({pairs})".removesuffix(" ()"))
    return f"### {enum.key}\n\n" + "\n".join(lines)


def _rules(level: str) -> str:
    return "\n".join(f"- {rule}: {text}" for rule, text in RULES.items() if rule[0] == level)


def _ranges(types: EnumList) -> str:
    least = types.numbers("usual_rows_processed_min")
    most = types.numbers("usual_rows_processed_max")
    return "\n".join(f"- `{name}`: {least[name]:,} to {most[name]:,}" for name in types.values)


def _order_values(order: Order, folder: Path | None) -> dict[str, str]:
    if folder and order.batch:
        refuse_known_batch(folder, order.batch)
    batch = order.batch or (next_batch(folder) if folder else 1)
    return {
        "clients": str(order.clients),
        "pipelines": str(order.pipelines),
        "rows": str(order.rows),
        "batch": f"{batch:02}",
        "first_day": order.first_day.isoformat(),
        "last_day": order.last_day.isoformat(),
    }


def _known(folder: Path) -> dict[str, list[Mapping[str, str]]]:
    """Return the entities of the registry, or of the base files where there is none."""
    if not folder.is_dir():
        raise ChmError(f"{folder} is not a folder: give the one of a data set")
    registry = read_registry(folder)
    if registry.content is not None:
        return {table: list(rows.values()) for table, rows in registry.entities.items()}
    known: dict[str, list[Mapping[str, str]]] = {}
    for table in ENTITY_TYPES:
        path = folder / "base" / f"{table}.csv"
        known[table] = [
            {
                **row,
                "entity_id": row["id"],
                "entity_name": row["name"],
                "parent_entity_id": row.get("client_id", ""),
            }
            for row in (read_rows(path) if path.exists() else [])
        ]
    return known


def _registry(known: Mapping[str, Iterable[Mapping[str, str]]]) -> str:
    clients = _csv(("client_id", "name", "is_active", "created_at"), known["clients"])
    columns = ("pipeline_id", "client_id", "name", "platform", "pipeline_type", "environment")
    pipelines = _csv((*columns, "is_active", "created_at"), known["pipelines"])
    return f"Clients:\n\n```csv\n{clients}```\n\nPipelines:\n\n```csv\n{pipelines}```"


def _csv(columns: tuple[str, ...], rows: Iterable[Mapping[str, str]]) -> str:
    own = {"name": "entity_name", columns[0]: "entity_id"}
    if columns[0] != "client_id":
        own["client_id"] = "parent_entity_id"
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([row.get(own.get(name, name), "") for name in columns] for row in rows)
    return text.getvalue()


def _taken(known: Mapping[str, Iterable[Mapping[str, str]]]) -> str:
    clients = list(known["clients"])
    if not clients:
        return "There are none yet."
    return (
        "These are there already: do not write them again. No new row has one of their ids, no new "
        "client one of their names. A new pipeline belongs to a new client or to one of these; it "
        f"has a name that its client does not have yet.\n\n{_registry(known)}"
    )


def _so_far(known: Mapping[str, Sequence[object]]) -> str:
    numbers = [counted(len(rows), ENTITY_TYPES[table]) for table, rows in known.items()]
    return f"So far the registry holds {' and '.join(numbers)}."


def _pool_values() -> dict[str, str]:
    readme = (project_dir() / "README.md").read_text("utf-8")
    section = _POOLS_SECTION.search(readme)
    paths = sorted((project_dir() / _POOLS).glob("*.yaml"))
    if section is None or not paths:
        raise ChmError("README.md says nothing of texts of failures, or there is no such file")
    return {
        "pools": section[1].strip(),
        "pool_names": "\n".join(f"- {path.stem}" for path in paths),
    }
