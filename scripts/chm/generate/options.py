"""The options of `chm generate`, and which of them exclude each other."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chm.errors import ChmError
from chm.generate.configure import FROZEN_PRESET
from chm.generate.writer import FORMATS

# --out - is standard output.
STREAM = Path("-")
# The plain flags, and the keys of the configuration that they set.
FLAG_KEYS = {
    "--seed": "seed",
    "--runs": "runs.total",
    "--batch": "runs.batch",
    "--clients": "clients.total",
    "--pipelines": "pipelines.total",
    "--from": "range.start",
    "--to": "range.end",
}


@dataclass(frozen=True)
class GenerateOptions:
    """The command's options; `flags` are those of FLAG_KEYS that were given, with their values."""

    out: Path | None
    preset: str | None
    config: Path | None
    assignments: tuple[str, ...]
    flags: Mapping[str, Any]
    file_format: str | None
    shard_rows: int | None
    workers: int | None
    dry_run: bool
    force: bool
    append: Path | None
    overlap: bool
    check: Path | None
    keys: bool

    @property
    def format(self) -> str:
        """The format of the runs."""
        return self.file_format or FORMATS[0]

    def given(self) -> set[str]:
        """The names of the options that were given."""
        values = {
            "--out": self.out,
            "--preset": self.preset,
            "--config": self.config,
            "--set": self.assignments,
            "--format": self.file_format,
            "--shard-rows": self.shard_rows,
            "--workers": self.workers,
            "--dry-run": self.dry_run,
            "--force": self.force,
            "--append": self.append,
            "--overlap": self.overlap,
            "--check": self.check,
            "--keys": self.keys,
        }
        return {name for name, value in values.items() if value} | set(self.flags)


def refuse_misfits(options: GenerateOptions) -> None:
    """Refuse options that do not go together, or that would have no effect.

    Raises:
        ChmError: the message names them; the exit code is 2.
    """
    given = options.given()
    if options.keys:
        _refuse("--keys prints the keys of the configuration", given - {"--keys"})
    elif options.check is not None:
        _refuse("--check compares a data set with its manifests", given - {"--check"})
    elif options.preset == FROZEN_PRESET:
        taken = {"--preset", "--out", "--force", "--dry-run"}
        _refuse(
            f"--preset {FROZEN_PRESET} is the released data set, whose bytes do not change",
            given - taken,
        )
        if options.out == STREAM:
            raise ChmError(f"--preset {FROZEN_PRESET} is a folder of files: --out takes one", 2)
    elif options.append is not None:
        _refuse(
            "--append writes into the folder that it names, beside what it holds",
            given & {"--out", "--force"},
        )
    elif options.overlap:
        raise ChmError("--overlap is about the batches of a data set: it needs --append", 2)
    if options.file_format not in (None, *FORMATS):
        known = ", ".join(FORMATS)
        raise ChmError(f"--format: '{options.file_format}' is not one of {known}", 2)
    if options.out == STREAM:
        _refuse("--out - is one stream to standard output", given & {"--shard-rows", "--force"})
        if options.format != FORMATS[0]:
            raise ChmError(f"--out - is {FORMATS[0]}: it takes no --format {options.format}", 2)
    if not given & {"--out", "--append", "--check", "--dry-run", "--keys"}:
        raise ChmError("give --out, the folder to write (or --append, --check, --dry-run)", 2)


def _refuse(what: str, misfits: Iterable[str]) -> None:
    if misfits:
        raise ChmError(f"{what}: it takes no {', '.join(sorted(misfits))}", 2)
