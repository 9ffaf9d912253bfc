"""Where a configuration comes from: a preset, a YAML file, and single keys, in that order."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from chm.errors import ChmError
from chm.expectations import expectation, path
from chm.generate.config import GenerateConfig
from chm.generate.yaml_values import read_yaml

_PRESETS = Path(__file__).parent / "presets"
# The released data set: it has no configuration of this generator.
FROZEN_PRESET = "demo"


class ConfigurationError(ChmError):
    """A configuration that can't be; `problems` are the keys' paths, each with what is wrong."""

    def __init__(self, problems: Sequence[tuple[str, str]]) -> None:
        super().__init__("\n".join(f"{key}: {words}" for key, words in problems))
        self.problems = problems


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
        raise ChmError(f"--preset: '{name}' is not one of {', '.join(preset_names())}", 2)
    return _read(_PRESETS / f"{name}.yaml")


def file_values(file: Path) -> dict[str, Any]:
    """Return the values of a YAML file.

    Raises:
        ChmError: the file can't be read, holds no keys, or one of them twice.
    """
    return _read(file)


def set_values(assignments: Iterable[str]) -> dict[str, Any]:
    """Return nested values of assignments such as `runs.total=1000`; a value is YAML.

    Raises:
        ChmError: an assignment has no key or no `=`, or a key is also a part of another one.
    """
    values: dict[str, Any] = {}
    for assignment in assignments:
        name, separator, text = assignment.partition("=")
        keys = name.strip().split(".")
        if not separator or not all(keys):
            raise ChmError(f"--set: '{assignment}' is not of the form key.path=value", 2)
        value = read_yaml(text, f"--set {name}", ".".join(keys))
        node = values
        for key in keys[:-1]:
            node = node.setdefault(key, {})
            if not isinstance(node, dict):
                raise ChmError(f"--set: {name} goes on where another one has set a value", 2)
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
        ConfigurationError: an unknown key, a wrong type or an impossible value; the message
            names each key by its path and says what was expected.
    """
    emptied = list(_emptied(values))
    if emptied:
        raise ConfigurationError(emptied)
    defaults = GenerateConfig()
    try:
        full = _without_taken_away(defaults, merged(defaults.model_dump(), values))
        return GenerateConfig.model_validate(full)
    except ValidationError as error:
        problems = error.errors(include_url=False)
        raise ConfigurationError(
            [
                (path(problem), _expectation(problem))
                for problem in problems
                # A list with a wrong item is said to be too short as well.
                if not any(_is_inside(other["loc"], problem["loc"]) for other in problems)
            ]
        ) from error


def _is_inside(location: tuple[int | str, ...], other: tuple[int | str, ...]) -> bool:
    return len(location) > len(other) and location[: len(other)] == other


def _emptied(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield the mappings without an entry: laid over the defaults they would change nothing."""
    for key, value in values.items():
        own = f"{prefix}{key}"
        if value == {} and isinstance(value, dict):
            yield own, "expected keys with values, not {}; null takes a single entry away"
        elif isinstance(value, dict):
            yield from _emptied(value, f"{own}.")


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


def _expectation(problem: ErrorDetails) -> str:
    if problem["type"] == "extra_forbidden":
        return f"is no key; expected one of {', '.join(_keys_beside(problem['loc']))}"
    return expectation(problem)


def _keys_beside(location: tuple[int | str, ...]) -> list[str]:
    model: Any = GenerateConfig()
    for part in location[:-1]:
        if isinstance(model, dict):
            # An entry that the defaults lack has the keys of any other.
            model = model.get(part, next(iter(model.values()), None))
        else:
            model = getattr(model, str(part), None)
    return sorted(type(model).model_fields) if isinstance(model, BaseModel) else []


def _read(file: Path) -> dict[str, Any]:
    try:
        text = file.read_text("utf-8-sig")
    except OSError as error:
        raise ChmError(f"can't read {file}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ChmError(f"{file} is no YAML: it is not text in UTF-8") from error
    values = read_yaml(text, str(file))
    if not isinstance(values, dict):
        raise ChmError(f"{file}: expected keys and values, as in the presets")
    return values
