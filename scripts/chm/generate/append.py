"""A further batch of a data set: what it goes on from."""

import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml
from pydantic import TypeAdapter, ValidationError

from chm.errors import ChmError
from chm.generate.config import Instant, RangeConfig

_BATCH = re.compile(r"runs_\d{8}_batch(\d{2,})")


def next_batch(folder: Path) -> int:
    """Return the number after that of the latest batch in a data set."""
    return max(_batches(folder), default=0) + 1


def refuse_known_batch(folder: Path, batch: int) -> None:
    """Refuse to write a batch that the data set has.

    Raises:
        ChmError: it has.
    """
    if batch in _batches(folder):
        raise ChmError(f"--batch: {folder} already has batch {batch}; {next_batch(folder)} is free")


def following_range(folder: Path, told_start: object = None) -> dict[str, datetime]:
    """Return the range that follows the latest one of a data set, as long as that.

    Args:
        folder: The data set.
        told_start: Where it begins instead, as a configuration says it.

    Raises:
        ChmError: no manifest of the data set tells a range.
    """
    ranges = [(end, start) for start, end in _ranges(folder).values()]
    if not ranges:
        raise ChmError(f"{folder} has no manifest that tells its range: give --from and --to")
    end, start = max(ranges)
    begin = end
    if told_start is not None:
        # What is no instant is refused with the whole configuration.
        with suppress(ValidationError):
            begin = TypeAdapter(Instant).validate_python(told_start)
    return {"start": begin, "end": begin + (end - start)}


def refuse_overlap(folder: Path, own: RangeConfig) -> None:
    """Refuse a range in which the pipelines of a data set have run already.

    Raises:
        ChmError: it overlaps that of an earlier batch.
    """
    known = _ranges(folder)
    for name, (start, end) in known.items():
        if own.start < end and start < own.end:
            last = max(end for _, end in known.values())
            raise ChmError(
                f"range: {_text(own.start)} to {_text(own.end)} overlaps {_text(start)} to "
                f"{_text(end)} of {name}, in which the same pipelines ran; --from {_text(last)} is "
                "free, and --overlap allows it"
            )


def _ranges(folder: Path) -> dict[str, tuple[datetime, datetime]]:
    """Return start and end of each batch whose manifest tells them, by the manifest's path."""
    ranges = {}
    for path in sorted(folder.glob("context/generation_manifest*.yaml")):
        try:
            manifest: Mapping[str, Any] = yaml.safe_load(path.read_text("utf-8"))
            told = manifest["configuration"]["range"]
            name = path.relative_to(folder).as_posix()
            ranges[name] = (_instant(told["start"]), _instant(told["end"]))
        except (OSError, ValueError, KeyError, TypeError, yaml.YAMLError):
            continue
    return ranges


def _batches(folder: Path) -> list[int]:
    matches = (_BATCH.match(path.name) for path in sorted(folder.glob("batches/*")))
    return [int(match[1]) for match in matches if match]


def _instant(value: object) -> datetime:
    return datetime.fromisoformat(str(value)).astimezone(UTC)


def _text(instant: datetime) -> str:
    return f"{instant:%Y-%m-%dT%H:%M:%SZ}"
