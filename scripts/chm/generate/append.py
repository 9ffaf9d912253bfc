"""A further batch of a data set: what it goes on from."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from chm.errors import ChmError

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


def following_range(folder: Path) -> dict[str, datetime]:
    """Return the range that follows the latest one of a data set, as long as that.

    Raises:
        ChmError: no manifest of the data set tells a range.
    """
    ranges = []
    for path in sorted(folder.glob("context/generation_manifest*.yaml")):
        try:
            manifest: Mapping[str, Any] = yaml.safe_load(path.read_text("utf-8"))
            told = manifest["configuration"]["range"]
            ranges.append((_instant(told["end"]), _instant(told["start"])))
        except (OSError, ValueError, KeyError, TypeError, yaml.YAMLError):
            continue
    if not ranges:
        raise ChmError(f"{folder} has no manifest that tells its range: give --from and --to")
    end, start = max(ranges)
    return {"start": end, "end": end + (end - start)}


def _batches(folder: Path) -> list[int]:
    matches = (_BATCH.match(path.name) for path in sorted(folder.glob("batches/*")))
    return [int(match[1]) for match in matches if match]


def _instant(value: object) -> datetime:
    return datetime.fromisoformat(str(value)).astimezone(UTC)
