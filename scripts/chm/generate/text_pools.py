"""The texts of failed, canceled and skipped runs, read from template files.

A file templates/<platform>_<cause>.yaml is one pool: the texts of one platform's runs that end
for one cause. README.md, "Texts of failures: adding a pool", tells how to write one.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

from chm.contract import load_contract
from chm.errors import ChmError
from chm.generate.text_pool_schema import (
    ANY_PLATFORM,
    LIKE_CREDENTIAL,
    SPECIAL_CAUSES,
    is_like_credential,
    parse_pool,
)
from chm.project import project_dir

_POOLS_FOLDER = Path("scripts/chm/generate/templates")


@dataclass(frozen=True)
class TextTemplate:
    """A pair of texts with `{slot}` placeholders; `error_message` is "" unless runs fail."""

    error_message: str
    status_reason: str


@dataclass(frozen=True)
class TextPool:
    """The texts of one platform's runs that end for one cause.

    `kind` is the status that the runs end in. `weight` is how often the cause is drawn
    against the platform's other causes of this kind; it is 0 for a special cause.
    `file_name` and `sha256` tell the file that the pool comes from.
    """

    platform: str
    cause: str
    kind: str
    weight: int
    templates: tuple[TextTemplate, ...]
    slots: tuple[tuple[str, Sequence[str | int]], ...]
    file_name: str
    sha256: str

    @property
    def is_special(self) -> bool:
        """Whether runs end for this cause only where the simulation plants it."""
        return self.cause in SPECIAL_CAUSES


def load_pools(folders: Sequence[Path] = ()) -> tuple[TextPool, ...]:
    """Return the pools of every platform in the contract, by platform and cause.

    A pool for any platform stands in where a platform has none of its own for a cause, so
    that every platform has every special cause and other causes of each kind.

    Args:
        folders: folders with pools besides the project's own.

    Raises:
        ChmError: a folder can't be read or holds no pool, or a file breaks the schema; the
            message names file, key and what was expected, for all faults found.
    """
    all_folders = (project_dir() / _POOLS_FOLDER, *folders)
    problems: list[str] = []
    pools: dict[tuple[str, str], TextPool] = {}
    sources: dict[str, Path] = {}
    for path in (path for folder in all_folders for path in _files(folder)):
        found = _read_pool(path)
        if isinstance(found, TextPool):
            # The name holds platform and cause: one of each is enough for both.
            other = sources.setdefault(path.name, path)
            if other is path:
                pools[found.platform, found.cause] = found
                continue
            found = [f"platform, cause: expected another pair than that of {other}"]
        problems += [f"{path}: {fault}" for fault in found]
    if problems:
        raise ChmError("\n".join(problems))
    return tuple(_for_every_platform(pools))


def fill(pool: TextPool, seed_text: str, variants: int) -> tuple[tuple[str, str], ...]:
    """Return filled pairs (error_message, status_reason); an empty text stands for none.

    They depend on the pool and `seed_text` alone. The templates take turns, in random order.

    Raises:
        ChmError: a filled text looks like a credential (rule W05).
    """
    rng = Random(seed_text)
    order = list(pool.templates)
    rng.shuffle(order)
    filled = []
    for number in range(variants):
        template = order[number % len(order)]
        values = {name: choices[rng.randrange(len(choices))] for name, choices in pool.slots}
        pair = (
            template.error_message.format_map(values),
            template.status_reason.format_map(values),
        )
        if any(map(is_like_credential, pair)):
            raise ChmError(f"{pool.file_name}: templates: a filled text {LIKE_CREDENTIAL}")
        filled.append(pair)
    return tuple(filled)


def checksums(pools: Iterable[TextPool]) -> dict[str, str]:
    """Return the SHA-256 of each file that the pools come from, by the file's name."""
    return dict(sorted({pool.file_name: pool.sha256 for pool in pools}.items()))


def _files(folder: Path) -> list[Path]:
    try:
        files = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except OSError as error:
        raise ChmError(f"can't read the folder {folder}: {error.strerror}") from None
    for path in files:
        if path.suffix.lower() in (".yml", ".yaml") and path.suffix != ".yaml":
            raise ChmError(f"{path}: expected a name that ends in .yaml")
    pools = [path for path in files if path.suffix == ".yaml"]
    if not pools:
        raise ChmError(f"{folder} holds no pool: expected files <platform>_<cause>.yaml")
    return pools


def _read_pool(path: Path) -> TextPool | list[str]:
    """Return the pool in a file, or its faults."""
    try:
        content = path.read_bytes()
    except OSError as error:
        return [f"can't be read: {error.strerror}"]
    entry = parse_pool(content)
    if isinstance(entry, list):
        return entry
    name = f"{entry.platform}_{entry.cause}.yaml"
    if path.name != name:
        return [f"platform, cause: expected the file name {name}"]
    pool = TextPool(
        platform=entry.platform,
        cause=entry.cause,
        kind=entry.kind,
        weight=entry.weight or 0,
        templates=tuple(
            TextTemplate(pair.error_message or "", pair.status_reason) for pair in entry.templates
        ),
        slots=tuple((slot, entry.choices(slot)) for slot in sorted(entry.slots)),
        file_name=name,
        sha256=hashlib.sha256(content).hexdigest(),
    )
    return list(dict.fromkeys(_credentials(pool))) or pool


def _credentials(pool: TextPool) -> Iterator[str]:
    """Try every value of every slot; `fill` checks the combinations that are used."""
    first = {name: choices[0] for name, choices in pool.slots}
    for name, choices in pool.slots:
        # Of a range, the shortest and the longest number tell as much as all of them.
        for value in (choices[0], choices[-1]) if isinstance(choices, range) else choices:
            for number, template in enumerate(pool.templates):
                for key, text in vars(template).items():
                    if is_like_credential(text.format_map(first | {name: value})):
                        yield f"templates.{number}.{key}: with slots.{name} it {LIKE_CREDENTIAL}"


def _for_every_platform(by_key: Mapping[tuple[str, str], TextPool]) -> Iterator[TextPool]:
    causes = sorted({cause for _, cause in by_key})
    for platform in sorted(load_contract().enums["platforms"].values):
        for cause in causes:
            pool = by_key.get((platform, cause)) or by_key.get((ANY_PLATFORM, cause))
            if pool:
                yield replace(pool, platform=platform)
