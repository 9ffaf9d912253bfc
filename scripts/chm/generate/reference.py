"""The keys of the configuration as a Markdown table."""

from collections.abc import Iterator

import yaml
from pydantic import BaseModel

from chm.generate.config import GenerateConfig


def configuration_table() -> str:
    """Return every key with its default and meaning, in the order of the schema."""
    lines = ["| key | default | meaning |", "|---|---|---|"]
    lines += [
        f"| `{key}` | {default} | {meaning} |" for key, default, meaning in _rows(GenerateConfig())
    ]
    return "\n".join(lines) + "\n"


def _rows(model: BaseModel, path: str = "") -> Iterator[tuple[str, str, str]]:
    for name, field in type(model).model_fields.items():
        value = getattr(model, name)
        key = f"{path}{name}"
        if isinstance(value, BaseModel):
            if field.description:
                yield key, "see below", field.description
            yield from _rows(value, f"{key}.")
            continue
        yield key, _default(model, name), field.description or ""
        if isinstance(value, dict):
            yield from _entry_rows(key, value)


def _entry_rows(key: str, entries: dict[str, object]) -> Iterator[tuple[str, str, str]]:
    """The keys of one entry of a mapping whose entries are models."""
    first = next(iter(entries.values()), None)
    if isinstance(first, BaseModel):
        for name, field in type(first).model_fields.items():
            yield f"{key}.<name>.{name}", "", field.description or ""


def _default(model: BaseModel, name: str) -> str:
    value = model.model_dump(mode="json", include={name})[name]
    text = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=10_000)
    return f"`{text.removesuffix('...' + chr(10)).strip()}`"
