"""The schema of a template file: its keys, their types, and what must hold between them."""

import re
from collections.abc import Iterator, Mapping, Sequence
from string import Formatter
from typing import Annotated, Any

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    PlainValidator,
    StrictInt,
    StrictStr,
    Tag,
    ValidationError,
)

from chm.contract import load_contract
from chm.credentials import CREDENTIAL

# The causes that the simulation plants, never draws by weight, and the status they end in.
SPECIAL_CAUSES: Mapping[str, str] = {
    "platform_outage": "failed",
    "client_outage": "failed",
    "upstream_failed": "failed",
    "broken": "failed",
    "timeout": "failed",
    "upstream_skipped": "skipped",
}
# A pool with this platform holds for every platform that has none of its own for the cause.
ANY_PLATFORM = "any"
LIKE_CREDENTIAL = "looks like a credential (rule W05)"

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_CREDENTIAL = re.compile(CREDENTIAL)


def is_like_credential(text: str) -> bool:
    """Whether rule W05 warns of the text."""
    return _CREDENTIAL.search(text) is not None


def _one_line(text: str) -> str:
    if not text or text != text.strip():
        raise ValueError("expected a text without blanks at its ends")
    if not text.isprintable():
        raise ValueError("expected one line without control characters")
    return text


def _slug(text: str) -> str:
    if not _NAME.fullmatch(text):
        raise ValueError("expected a name of lower-case letters, digits and _")
    return text


def _value(value: object) -> str | int:
    if isinstance(value, str):
        return _one_line(value)
    # YAML reads yes and no as booleans, which are whole numbers to Python.
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise ValueError("expected a whole number or a text (put it in quotes)")


def _template_text(text: str) -> str:
    _slots_in(text)
    if is_like_credential(text):
        raise ValueError(LIKE_CREDENTIAL)
    return text


def _slots_in(text: str) -> set[str]:
    """Return the names of the slots in a template text; ValueError if a brace is stray."""
    try:
        parts = list(Formatter().parse(text))
    except ValueError as error:
        raise ValueError(f"{error}: expected {{slot}}, or {{{{ and }}}} for braces") from None
    names = set()
    for _, name, form, conversion in parts:
        if name is None:
            continue
        if form or conversion or not _NAME.fullmatch(name):
            raise ValueError("expected nothing but a name of lower-case letters in {}")
        names.add(name)
    return names


def _platform(text: str) -> str:
    known = (*load_contract().enums["platforms"].values, ANY_PLATFORM)
    if text not in known:
        raise ValueError(f"'{text}' is not one of {', '.join(known)}")
    return text


def _kind(text: str) -> str:
    # A success carries no texts, and a running run has none yet.
    statuses = load_contract().enums["run_statuses"]
    failure, decided = statuses.flagged("is_failure"), statuses.flagged("is_decided")
    known = [s for s in statuses.flagged("is_terminal") if s in failure or s not in decided]
    if text not in known:
        raise ValueError(f"'{text}' is not one of {', '.join(known)}")
    return text


_Name = Annotated[StrictStr, AfterValidator(_slug)]
_Value = Annotated[str | int, PlainValidator(_value)]
_Number = Annotated[StrictInt, Field(ge=0, le=10**12)]
_Text = Annotated[
    StrictStr, Field(max_length=500), AfterValidator(_one_line), AfterValidator(_template_text)
]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Numbers(_Part):
    first: _Number = Field(alias="from")
    last: _Number = Field(alias="to")
    step: StrictInt = Field(default=1, ge=1)


class _Pair(_Part):
    error_message: _Text | None = None
    status_reason: _Text


def _slot_form(value: object) -> str:
    return "[numbers]" if isinstance(value, dict | _Numbers) else "[values]"


# The tags are part of the path to a fault, and taken out of it there.
_Slot = Annotated[
    Annotated[_Numbers, Tag("[numbers]")]
    | Annotated[tuple[_Value, ...], Field(min_length=1), Tag("[values]")],
    Discriminator(_slot_form),
]


class PoolFile(_Part):
    """A template file, each key right by itself; `contradictions` looks at them together."""

    platform: Annotated[StrictStr, AfterValidator(_platform)]
    cause: _Name
    kind: Annotated[StrictStr, AfterValidator(_kind)]
    weight: Annotated[StrictInt, Field(ge=1)] | None = None
    templates: Annotated[tuple[_Pair, ...], Field(min_length=1)]
    slots: dict[_Name, _Slot] = {}

    def choices(self, slot: str) -> Sequence[str | int]:
        """Return the values that may fill a slot."""
        values = self.slots[slot]
        if isinstance(values, _Numbers):
            return range(values.first, values.last + 1, values.step)
        return values


class _UniqueKeyLoader(yaml.CSafeLoader):
    """A YAML loader that refuses a key given twice, of which others keep the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [key.value for key, _ in node.value]
        for key in keys:
            if keys.count(key) > 1:
                line = node.start_mark.line + 1
                raise yaml.YAMLError(f"the key {key} is given twice in the mapping at line {line}")
        return super().construct_mapping(node, deep)


def parse_pool(content: bytes) -> PoolFile | list[str]:
    """Return the pool in a template file, or its faults as `key: what was expected`."""
    try:
        document = yaml.load(content.decode("utf-8"), _UniqueKeyLoader)
    except UnicodeDecodeError:
        return ["file: expected UTF-8"]
    except (yaml.YAMLError, ValueError) as error:
        return [f"file: expected YAML, but {' '.join(str(error).split())}"]
    if not isinstance(document, dict):
        return [f"file: expected the keys {', '.join(PoolFile.model_fields)}"]
    try:
        entry = PoolFile.model_validate(document)
    except ValidationError as error:
        return [_fault(detail["loc"], detail["msg"]) for detail in error.errors()]
    return list(_contradictions(entry)) or entry


def _fault(location: tuple[int | str, ...], message: str) -> str:
    parts = [str(part) for part in location if not str(part).startswith("[")]
    return f"{'.'.join(parts)}: {message.removeprefix('Value error, ')}"


def _contradictions(entry: PoolFile) -> Iterator[str]:
    """Tell what is wrong between keys that are each right."""
    special_kind = SPECIAL_CAUSES.get(entry.cause)
    if special_kind is None and entry.weight is None:
        yield "weight: expected a whole number of 1 or more"
    if special_kind is not None and entry.weight is not None:
        yield f"weight: expected none, since {entry.cause} is planted and not drawn by weight"
    if special_kind not in (None, entry.kind):
        yield f"kind: expected {special_kind} for the cause {entry.cause}"
    is_failure = entry.kind in load_contract().enums["run_statuses"].flagged("is_failure")
    used: set[str] = set()
    for number, pair in enumerate(entry.templates):
        if is_failure != (pair.error_message is not None):
            wanted = "a text" if is_failure else "none"
            key = f"templates.{number}.error_message"
            yield f"{key}: expected {wanted}, since the runs are {entry.kind}"
        for name, text in pair:
            in_text = _slots_in(text or "")
            used |= in_text
            for slot in sorted(in_text - set(entry.slots)):
                yield f"templates.{number}.{name}: expected the slot {slot} under slots"
    for name, values in entry.slots.items():
        if name not in used:
            yield f"slots.{name}: expected a template that uses it"
        if isinstance(values, _Numbers) and values.last < values.first:
            yield f"slots.{name}.to: expected {values.first} or more, not less than from"
