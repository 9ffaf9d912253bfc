"""Where a source event holds the fields of a run."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from chm.errors import ChmError
from chm.ingest.status_words import plain, status_words

_KeyPath = tuple[str, ...]

# Where each field is looked for when no mapping says otherwise; the first that is set counts.
DEFAULT_FIELDS = {
    "pipeline_id": ("pipeline_id",),
    "platform": ("platform",),
    "external_id": ("external_id", "pipeline_external_id"),
    "client_name": ("client_name", "client"),
    "pipeline_name": ("pipeline_name", "pipeline"),
    "id": ("id",),
    "external_run_id": ("external_run_id",),
    "status": ("status",),
    "started_at": ("started_at",),
    "finished_at": ("finished_at",),
    "created_at": ("created_at",),
    "updated_at": ("updated_at",),
    "duration_seconds": ("duration_seconds",),
    "rows_processed": ("rows_processed",),
    "error_message": ("error_message",),
    "status_reason": ("status_reason",),
}
DEFAULT_PATHS: dict[str, tuple[_KeyPath, ...]] = {
    name: tuple((key,) for key in keys) for name, keys in DEFAULT_FIELDS.items()
}


@dataclass(frozen=True)
class Mapping:
    """Paths into the event by field (the first that is set counts), constants and status words."""

    fields: dict[str, tuple[_KeyPath, ...]] = field(default_factory=DEFAULT_PATHS.copy)
    constants: dict[str, Any] = field(default_factory=dict)
    statuses: dict[str, str] = field(default_factory=status_words)

    def value(self, name: str, event: dict[str, Any]) -> Any:  # noqa: ANN401
        """Return the event's value of a field, else the constant, else None; empty is None."""
        for path in self.fields.get(name, ()):
            value: Any = event
            for part in path:
                value = value.get(part) if isinstance(value, dict) else None
            if value is not None and value != "":
                return value
        return self.constants.get(name)


def read_mapping(path: Path) -> Mapping:
    """Read a mapping from a YAML file.

    Its keys are `fields` (field of a run to a path with dots, or a list of paths), `constants`
    (field to a value) and `statuses` (word of the source to a status). Fields that it does not
    name are not looked for.

    Raises:
        ChmError: the file can't be read, or names an unknown key, field or status.
    """
    try:
        document = yaml.safe_load(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ChmError(f"can't read the mapping {path}: {' '.join(str(error).split())}") from None
    if not isinstance(document, dict) or not document.keys() <= {"fields", "constants", "statuses"}:
        raise ChmError(f"{path}: expected the keys fields, constants, statuses and no other")
    fields, constants, statuses = (
        _section(path, document, key) for key in ("fields", "constants", "statuses")
    )
    for section, named in (("fields", fields), ("constants", constants)):
        for name in named:
            if name not in DEFAULT_FIELDS:
                raise ChmError(f"{path}: {section}.{name} is none of {', '.join(DEFAULT_FIELDS)}")
    known = status_words()
    for word, status in statuses.items():
        if status not in known.values():
            allowed = ", ".join(dict.fromkeys(known.values()))
            raise ChmError(f"{path}: statuses.{word} is {status!r}, not one of {allowed}")
    return Mapping(
        fields={name: _paths(path, name, value) for name, value in fields.items()},
        constants=constants,
        statuses=known | {plain(str(word)): status for word, status in statuses.items()},
    )


def _section(path: Path, document: dict[str, Any], key: str) -> dict[str, Any]:
    section = document.get(key) or {}
    if not isinstance(section, dict):
        raise ChmError(f"{path}: {key} must map names to values")
    return section


def _paths(path: Path, name: str, value: object) -> tuple[_KeyPath, ...]:
    paths = value if isinstance(value, list) else [value]
    if not paths or not all(isinstance(one, str) and one for one in paths):
        raise ChmError(f"{path}: fields.{name} must be a path such as run.id, or a list of paths")
    return tuple(tuple(one.split(".")) for one in paths)
