"""What `chm generate` does with its options."""

import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console
from rich.table import Table

from chm.errors import ChmError
from chm.generate.append import following_range, next_batch, refuse_known_batch
from chm.generate.config import GenerateConfig
from chm.generate.configure import (
    FROZEN_PRESET,
    file_values,
    make_config,
    merged,
    preset_values,
    set_values,
)
from chm.generate.dataset import DataSet, plan_data_set, read_registry
from chm.generate.display import GenerateDisplay
from chm.generate.estimate import Estimate, estimates
from chm.generate.files import configuration
from chm.generate.frozen import copy_frozen
from chm.generate.journal import WrittenFile
from chm.generate.run_formats import CsvFormat
from chm.generate.shards import stream_csv
from chm.generate.verify import print_problems, verify
from chm.generate.writer import FORMATS, refuse_unfit, work_folder, write_data_set
from chm.steps import StepDisplay

_STREAM = Path("-")
_FLEET = ("clients", "pipelines", "range")


@dataclass(frozen=True)
class GenerateOptions:
    """The command's options; `flags` are keys of the configuration with their values."""

    out: Path | None
    preset: str | None
    config: Path | None
    assignments: tuple[str, ...]
    flags: Mapping[str, Any]
    file_format: str
    shard_rows: int | None
    workers: int | None
    dry_run: bool
    force: bool
    append: Path | None
    check: Path | None


def run(options: GenerateOptions) -> int:
    """Do what the options say and return the exit code: 1 if a check found something.

    Raises:
        ChmError: the options, the configuration or the folder can't be.
    """
    console = Console()
    if options.check is not None:
        return _check(console, options.check)
    if options.file_format not in FORMATS:
        raise ChmError(f"--format: '{options.file_format}' is not one of {', '.join(FORMATS)}")
    if options.preset == FROZEN_PRESET:
        return _copy_frozen(console, options)
    out = options.append or options.out
    if out is None and not options.dry_run:
        raise ChmError("give --out, the folder to write (or --append, --check, --dry-run)")
    if options.append and options.out:
        raise ChmError("--append writes into the folder that it names: leave out --out")
    if out == _STREAM and (options.file_format != "csv" or options.shard_rows):
        raise ChmError("--out - is one stream of CSV: leave out --format and --shard-rows")
    if options.append and not options.append.is_dir():
        raise ChmError(f"--append: {options.append} is not the folder of a data set")
    config = _configuration(options)
    if out is not None and out != _STREAM and not options.append:
        refuse_unfit(out.resolve(), force=options.force or options.dry_run)
    _generate(console, options, config, out)
    return 0


def _configuration(options: GenerateOptions) -> GenerateConfig:
    layers: list[Mapping[str, Any]] = []
    if options.preset:
        preset = preset_values(options.preset)
        if options.append:
            # A batch has the fleet of its data set: numbers of a preset would add to it.
            preset = {key: value for key, value in preset.items() if key not in _FLEET}
        layers.append(preset)
    if options.config:
        layers.append(file_values(options.config))
    layers.append(set_values(options.assignments))
    layers.append(_nested(options.flags))
    values = merged(*layers)
    if options.append:
        values = _appended(options.append, values)
    return make_config(values)


def _nested(flags: Mapping[str, Any]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for path, value in flags.items():
        node = values
        *parents, key = path.split(".")
        for parent in parents:
            node = node.setdefault(parent, {})
        node[key] = value
    return values


def _appended(folder: Path, values: dict[str, Any]) -> dict[str, Any]:
    runs, told_range = values.get("runs") or {}, values.get("range") or {}
    layers: list[Mapping[str, Any]] = [{"runs": {"batch": next_batch(folder)}}]
    if isinstance(runs, dict) and isinstance(runs.get("batch"), int):
        refuse_known_batch(folder, runs["batch"])
    if isinstance(told_range, dict) and {"start", "end"} - told_range.keys():
        layers.append({"range": following_range(folder)})
    return merged(*layers, values)


def _generate(
    console: Console, options: GenerateOptions, config: GenerateConfig, out: Path | None
) -> None:
    workers = options.workers or len(os.sched_getaffinity(0))
    known = read_registry(options.append) if options.append else []
    with GenerateDisplay(Console(stderr=True)) as display:
        data = plan_data_set(config, known, workers, display.on_planned)
        planned = estimates(data, options.file_format)
        if options.dry_run:
            display.clear()
            _print_plan(console, config, planned)
            return
        display.on_estimates(planned)
        if out == _STREAM:
            _stream(data, workers, display)
            return
        assert out is not None
        _refuse_full_disk(out, planned)
        files = write_data_set(
            data,
            out,
            file_format=options.file_format,
            shard_rows=options.shard_rows,
            workers=workers,
            earlier=options.append.resolve() if options.append else None,
            on_rows=display.on_rows,
            on_journal=display.on_journal,
        )
    _print_files(console, files)
    roles = {planted.role for planted in data.history.roles}
    console.print(
        f"{config.runs.total:,} runs ({data.history.manual_runs:,} started by hand) of "
        f"{len(data.history.pipelines):,} pipelines, seed {config.seed}; planted: "
        f"{len(data.history.incidents):,} incidents, roles {', '.join(sorted(roles))}",
        highlight=False,
        soft_wrap=True,
    )
    console.print(
        f"data set in {out}, {display.seconds:.1f} s", soft_wrap=True, markup=False, highlight=False
    )


def _stream(data: DataSet, workers: int, display: GenerateDisplay) -> None:
    lines = CsvFormat(data.config, data.history)
    with open(sys.stdout.fileno(), "wb", buffering=0, closefd=False) as stream:
        try:
            stream_csv(lines, data.history.blocks, workers, stream, display.on_rows)
        except BrokenPipeError:
            raise ChmError("standard output was closed before all runs were written") from None


def _refuse_full_disk(out: Path, planned: Sequence[Estimate]) -> None:
    place = next(path for path in out.resolve().parents if path.exists())
    written = sum(path.stat().st_size for path in work_folder(out.resolve()).rglob("*"))
    needed, free = sum(item.bytes for item in planned) - written, shutil.disk_usage(place).free
    if needed > free:
        raise ChmError(
            f"{out}: about {needed / 1e9:.1f} GB are needed, and {free / 1e9:.1f} GB are free"
        )


def _copy_frozen(console: Console, options: GenerateOptions) -> int:
    if options.flags or options.config or options.assignments or options.append:
        raise ChmError(
            f"--preset {FROZEN_PRESET} is the released data set, whose bytes do not change: "
            "it takes no configuration; start from another preset"
        )
    if options.file_format != "csv" or options.shard_rows:
        raise ChmError(f"--preset {FROZEN_PRESET} is CSV in one file: it takes no other format")
    if options.dry_run:
        console.print(f"--preset {FROZEN_PRESET} would copy the released data set as it is")
        return 0
    if options.out is None or options.out == _STREAM:
        raise ChmError("give --out, the folder to write")
    files = copy_frozen(options.out, force=options.force)
    console.print(
        f"{files} files of the released data set in {options.out}", soft_wrap=True, markup=False
    )
    return 0


def _check(console: Console, folder: Path) -> int:
    with StepDisplay(Console(stderr=True)) as display, display.step("checking") as step:
        problems = verify(folder, step.advance)
    print_problems(problems, folder, console)
    return 1 if problems else 0


def _print_plan(console: Console, config: GenerateConfig, planned: Sequence[Estimate]) -> None:
    table = Table("table", box=None)
    table.add_column("rows", justify="right")
    table.add_column("bytes, about", justify="right")
    for item in planned:
        table.add_row(item.table, f"{item.rows:,}", f"{item.bytes:,}")
    console.print(table)
    console.print("\nconfiguration in force:")
    text = yaml.safe_dump(configuration(config), sort_keys=False, allow_unicode=True)
    console.print(text, soft_wrap=True, markup=False, highlight=False)


def _print_files(console: Console, files: Sequence[WrittenFile]) -> None:
    table = Table("file", box=None)
    table.add_column("rows", justify="right")
    table.add_column("bytes", justify="right")
    for file in files:
        rows = "" if file.rows is None else f"{file.rows:,}"
        table.add_row(file.path, rows, f"{file.bytes:,}")
    console.print(table)
