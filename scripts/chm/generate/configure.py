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
        except yaml.YAMLError as error:
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
    """Check nested plain values, as a YAML file would hold them, and fill in the defaults.

    A mapping that a value gives in part keeps the defaults of the part's other keys.

    Raises:
        ChmError: an unknown key, a wrong type or an impossible value; the message names
            each key by its path and says what was expected.
    """
    try:
        return GenerateConfig.model_validate(_over_defaults(values))
    except ValidationError as error:
        problems = [
            f"{_path(problem['loc'])}: {_expectation(problem)}" for problem in error.errors()
        ]
        raise ChmError("\n".join(problems)) from error


def _over_defaults(values: Mapping[str, Any]) -> dict[str, Any]:
    """Fill in the defaults of parts that are models: their keys are fixed, not chosen."""
    defaults = GenerateConfig().model_dump()
    models = {
        "failures": ("outages", "platform_incidents", "client_incidents"),
        "durations": ("long_tail",),
    }
    result = dict(values)
    for part, names in models.items():
        if isinstance(result.get(part), dict):
            result[part] = dict(result[part])
            for name in names:
                if isinstance(result[part].get(name), dict):
                    result[part][name] = merged(defaults[part][name], result[part][name])
    return result


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
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ChmError(f"{path} is no YAML: {error}") from error
    if not isinstance(values, dict):
        raise ChmError(f"{path}: expected keys and values, as in the presets")
    return values
