"""Read the values of a configuration from YAML, without the surprises of YAML 1.1.

PyYAML takes the last of two equal keys, reads `1e9` as a text, `010` as 8 and `1:30` as 90. Here
equal keys are refused, `1e9` is a number, and what is no plain number is a text, which no key
that expects a number takes.
"""

import re
from collections.abc import Hashable, Iterator

import yaml

from chm.errors import ChmError

_INT = re.compile(r"[-+]?(?:0|[1-9][0-9_]*)")
_EXPONENT = "[eE][-+]?[0-9]+"
_FLOAT = re.compile(
    rf"[-+]?(?:(?:\.[0-9]+|[0-9][0-9_]*\.[0-9_]*)(?:{_EXPONENT})?|[0-9][0-9_]*{_EXPONENT})"
    r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"
)
# A number with an exponent that is a whole one counts as such, up to here.
_MOST_WHOLE = 2**63
_READ_ANEW = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader with the numbers of YAML 1.2."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag not in _READ_ANEW]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
for _tag, _pattern in (("int", _INT), ("float", _FLOAT)):
    _Loader.add_implicit_resolver(
        f"tag:yaml.org,2002:{_tag}",
        re.compile(rf"(?:{_pattern.pattern})\Z"),
        list("-+.0123456789"),
    )


def _whole(_: _Loader, node: yaml.ScalarNode) -> int:
    return int(node.value.replace("_", ""))


def _number(_: _Loader, node: yaml.ScalarNode) -> float:
    text = node.value.replace("_", "").lower()
    value = float(text.replace(".inf", "inf").replace(".nan", "nan"))
    has_exponent = "e" in text
    if has_exponent and abs(value) < _MOST_WHOLE and value.is_integer():
        return int(value)
    return value


_Loader.add_constructor("tag:yaml.org,2002:int", _whole)
_Loader.add_constructor("tag:yaml.org,2002:float", _number)


def read_yaml(text: str, place: str, path: str = "") -> object:
    """Return the value that a YAML text holds.

    Args:
        text: The text.
        place: The file or option that it comes from, for messages.
        path: The key whose value it is; empty for a whole configuration.

    Raises:
        ChmError: it is no YAML, or a mapping in it has a key twice.
    """
    try:
        loader = _Loader(text)
        try:
            node = loader.get_single_node()
            repeated = list(_repeated(node, path)) if node is not None else []
            if repeated:
                raise ChmError("\n".join(f"{place}{problem}" for problem in repeated))
            value: object = None if node is None else loader.construct_document(node)
            return value
        finally:
            loader.dispose()
    # PyYAML raises a plain ValueError for a day that no calendar has.
    except (yaml.YAMLError, ValueError) as error:
        raise ChmError(f"{place}{_where(error)} is no YAML: {_reason(error)}") from None
    except RecursionError:
        raise ChmError(f"{place} is nested too deeply") from None


def _repeated(node: yaml.Node, path: str) -> Iterator[str]:
    """Yield the second places of keys that a mapping has twice."""
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _repeated(item, path)
    if not isinstance(node, yaml.MappingNode):
        return
    seen: dict[Hashable, int] = {}
    for key, value in node.value:
        name = key.value if isinstance(key, yaml.ScalarNode) else "?"
        own = f"{path}.{name}" if path else name
        line = key.start_mark.line + 1
        if name in seen:
            yield f":{line}: {own} is there twice, first in line {seen[name]}"
        seen.setdefault(name, line)
        yield from _repeated(value, own)


def _where(error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    return f":{mark.line + 1}" if mark else ""


def _reason(error: Exception) -> str:
    problem = getattr(error, "problem", None)
    return " ".join(str(problem or error).split())
