"""Where a configuration comes from: a preset, a YAML file, and single keys, in that order."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from chm.errors import ChmError
from chm.generate.config import GenerateConfig

_PRESETS = Path(__file__).parent / "presets"
# The released data set: it has no configuration of this generator.
FROZEN_PRESET = "demo"


def preset_names() -> list[str]:
    """Return the names of the presets, the smallest data set first."""
    return [FROZEN_PRESET, *sorted((path.stem for path in _PRESETS.glob("*.yaml")), key=_size)]


def _size(name: str) -> int:
    return int(_read(_PRESETS / f"{name}.yaml")["runs"]["total"])


def preset_values(name: str) -> dict[str, Any]:
    """Return a preset's values.

    Raises:
        ChmError: there is no such preset.
    """
    if name not in preset_names():
        raise ChmError(f"--preset: '{name}' is not one of {', '.join(preset_names())}")
    return _read(_PRESETS / f"{name}.yaml")


def file_values(path: Path) -> dict[str, Any]:
    """Return the values of a YAML file.

    Raises:
        ChmError: the file can't be read or holds no keys.
    """
    return _read(path)


def set_values(assignments: Iterable[str]) -> dict[str, Any]:
    """Return nested values of assignments such as `runs.total=1000`; a value is YAML.

    Raises:
        ChmError: an assignment has no key or no `=`, or a key is also a part of another one.
    """
    values: dict[str, Any] = {}
    for assignment in assignments:
        path, separator, text = assignment.partition("=")
        keys = path.strip().split(".")
        if not separator or not all(keys):
            raise ChmError(f"--set: '{assignment}' is not of the form key.path=value")
        try:
            value = yaml.safe_load(text)
        # PyYAML raises a plain ValueError for a day that no calendar has.
        except (yaml.YAMLError, ValueError) as error:
            raise ChmError(f"--set: the value of {path} is no YAML: '{text}'") from error
        node = values
        for key in keys[:-1]:
            node = node.setdefault(key, {})
            if not isinstance(node, dict):
                raise ChmError(f"--set: {path} goes on where another one has set a value")
        node[keys[-1]] = value
    return values


def merged(*layers: Mapping[str, Any]) -> dict[str, Any]:
    """Return nested values, those of later layers over those of earlier ones."""
    result: dict[str, Any] = {}
    for layer in layers:
        for key, value in layer.items():
            former = result.get(key)
            if isinstance(former, dict) and isinstance(value, dict):
                result[key] = merged(former, value)
            else:
                result[key] = value
    return result


def make_config(values: Mapping[str, Any]) -> GenerateConfig:
    """Check nested plain values, as a YAML file would hold them, over the defaults.

    In a mapping whose keys are chosen, such as `pipelines.mix`, null takes an entry away.

    Raises:
        ChmError: an unknown key, a wrong type or an impossible value; the message names
            each key by its path and says what was expected.
    """
    defaults = GenerateConfig()
    try:
        full = _without_taken_away(defaults, merged(defaults.model_dump(), values))
        return GenerateConfig.model_validate(full)
    except ValidationError as error:
        problems = [
            f"{_path(problem['loc'])}: {_expectation(problem)}" for problem in error.errors()
        ]
        raise ChmError("\n".join(problems)) from error


def _without_taken_away(defaults: object, values: object) -> object:
    """Drop the null entries of mappings whose keys are chosen: those that are no models."""
    if not isinstance(values, dict):
        return values
    if isinstance(defaults, BaseModel):
        return {
            key: _without_taken_away(getattr(defaults, str(key), None), value)
            for key, value in values.items()
        }
    chosen = defaults if isinstance(defaults, dict) else {}
    return {
        key: _without_taken_away(chosen.get(key), value)
        for key, value in values.items()
        if value is not None
    }


def _path(location: tuple[int | str, ...]) -> str:
    # The key of a mapping, if it is the key that is wrong, is followed by "[key]".
    return ".".join(str(part) for part in location if part != "[key]") or "configuration"


def _expectation(problem: ErrorDetails) -> str:
    if problem["type"] == "extra_forbidden":
        return f"is no key; expected one of {', '.join(_keys_beside(problem['loc']))}"
    message = str(problem["msg"]).removeprefix("Value error, ")
    value = problem["input"]
    if problem["type"] in ("value_error", "missing") or isinstance(value, dict | list):
        return message
    return f"{message}, not {value!r}"


def _keys_beside(location: tuple[int | str, ...]) -> list[str]:
    model: Any = GenerateConfig()
    for part in location[:-1]:
        model = model[part] if isinstance(model, dict) else getattr(model, str(part), None)
    return sorted(type(model).model_fields) if isinstance(model, BaseModel) else []


def _read(path: Path) -> dict[str, Any]:
    try:
        values = yaml.safe_load(path.read_text("utf-8"))
    except OSError as error:
        raise ChmError(f"can't read {path}: {error.strerror}") from error
    except (yaml.YAMLError, ValueError) as error:
        raise ChmError(f"{path} is no YAML: {error}") from error
    if not isinstance(values, dict):
        raise ChmError(f"{path}: expected keys and values, as in the presets")
    return values
