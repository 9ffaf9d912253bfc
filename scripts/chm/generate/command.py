"""What `chm generate` does with its options."""

import os
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console
from rich.table import Table

from chm.errors import ChmError
from chm.generate.append import (
    following_range,
    next_batch,
    refuse_known_batch,
    refuse_overlap,
)
from chm.generate.config import GenerateConfig
from chm.generate.configure import (
    FROZEN_PRESET,
    ConfigurationError,
    file_values,
    make_config,
    merged,
    preset_values,
    set_values,
)
from chm.generate.dataset import DataSet, plan_data_set, registered_pipelines
from chm.generate.display import GenerateDisplay
from chm.generate.estimate import Estimate, estimates
from chm.generate.files import configuration
from chm.generate.journal import WrittenFile
from chm.generate.notes import notes
from chm.generate.options import FLAG_KEYS, STREAM, GenerateOptions, refuse_misfits
from chm.generate.run_formats import CsvFormat
from chm.generate.shards import stream_csv
from chm.generate.writer import refuse_unfit, work_folder, write_data_set
from chm.steps import StepDisplay
from chm.words import counted

_FLEET = ("clients", "pipelines", "range")
# What a shell reports of a program that wrote into a pipe whose reader went away (SIGPIPE).
_READER_GONE = 141


def run(options: GenerateOptions) -> int:
    """Do what the options say and return the exit code: 1 if a check found something.

    Raises:
        ChmError: the options, the configuration or the folder can't be.
    """
    refuse_misfits(options)
    console = Console()
    if options.keys:
        _print_keys()
    elif options.check is not None:
        return _check(console, options.check)
    elif options.preset == FROZEN_PRESET:
        _copy_frozen(console, options)
    else:
        return _generate(console, options)
    return 0


def _generate(console: Console, options: GenerateOptions) -> int:
    out = options.append or options.out
    if options.append and not options.append.is_dir():
        raise ChmError(f"--append: {options.append} is not the folder of a data set")
    told = _values(options)
    config = _configuration(options, told)
    if options.append and not options.overlap:
        refuse_overlap(options.append, config.range)
    if out is not None and out != STREAM:
        _refuse_unfit(options, out)
    workers = options.workers or len(os.sched_getaffinity(0))
    known = registered_pipelines(options.append) if options.append else []
    with GenerateDisplay(Console(stderr=True)) as display:
        data = plan_data_set(config, known, workers, display.on_planned)
        planned = estimates(data, options.format)
        if options.dry_run:
            display.clear()
            _print_plan(console, planned, configuration(config), notes(data, told))
            return 0
        display.on_estimates(planned)
        if out == STREAM:
            return _stream(data, workers, display)
        assert out is not None
        _refuse_full_disk(out, planned)
        files = write_data_set(
            data,
            out,
            file_format=options.format,
            shard_rows=options.shard_rows,
            workers=workers,
            earlier=options.append.resolve() if options.append else None,
            on_rows=display.on_rows,
            on_journal=display.on_journal,
        )
    _print_files(console, files)
    _print_summary(console, data)
    for note in notes(data, told):
        _print(console, f"note: {note}")
    _print(console, f"data set in {out}, {display.seconds:.1f} s")
    return 0


def _values(options: GenerateOptions) -> dict[str, Any]:
    """The values that the options lay over the defaults."""
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
    layers.append(_nested({FLAG_KEYS[flag]: value for flag, value in options.flags.items()}))
    return merged(*layers)


def _configuration(options: GenerateOptions, told: dict[str, Any]) -> GenerateConfig:
    values = _appended(options.append, told) if options.append else told
    try:
        return make_config(values)
    except ConfigurationError as error:
        flags = {FLAG_KEYS[flag]: flag for flag in options.flags}
        if not flags.keys() & dict(error.problems).keys():
            raise
        # A value that an option can't take is a matter of the command line.
        lines = [f"{flags.get(key, key)}: {words}" for key, words in error.problems]
        raise ChmError("\n".join(lines), 2) from None


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
        layers.append({"range": following_range(folder, told_range.get("start"))})
    return merged(*layers, values)


def _refuse_unfit(options: GenerateOptions, out: Path) -> None:
    """Refuse a folder that can't be written, before the time is spent on what goes there."""
    try:
        if not options.append:
            refuse_unfit(out.resolve(), force=options.force or options.dry_run)
        if options.dry_run:
            return
        place = _nearest_folder(out)
        try:
            with tempfile.TemporaryDirectory(prefix=".chm-", dir=place):
                pass
        except OSError as error:
            reason = f"{place} takes no new folder: {error.strerror}"
            raise ChmError(f"{out} can't be written: {reason}") from None
    except OSError as error:
        raise ChmError(f"{out} can't be written: {error.strerror or error}") from None


def _nearest_folder(out: Path) -> Path:
    return next(path for path in out.resolve().parents if path.exists())


def _stream(data: DataSet, workers: int, display: GenerateDisplay) -> int:
    if sys.stdout is None:
        raise ChmError("standard output is closed")
    lines = CsvFormat(data.config, data.history)
    with open(sys.stdout.fileno(), "wb", buffering=0, closefd=False) as stream:
        try:
            stream_csv(lines, data.history.blocks, workers, stream, display.on_rows)
        except BrokenPipeError:
            # As head does: the reader has what it wanted.
            return _READER_GONE
        except OSError as error:
            raise ChmError(f"standard output can't be written: {error.strerror}") from None
    return 0


def _refuse_full_disk(out: Path, planned: Sequence[Estimate]) -> None:
    written = sum(path.stat().st_size for path in work_folder(out.resolve()).rglob("*"))
    needed = sum(item.bytes for item in planned) - written
    free = shutil.disk_usage(_nearest_folder(out)).free
    if needed > free:
        raise ChmError(
            f"{out}: about {needed / 1e9:.1f} GB are needed, and {free / 1e9:.1f} GB are free"
        )


def _copy_frozen(console: Console, options: GenerateOptions) -> None:
    # Imported here: what checks a data set loads slowly, and writing one is in a hurry.
    from chm.generate.frozen import copy_frozen, frozen_configuration, frozen_tables

    if options.dry_run:
        frozen = "the released data set is frozen: its configuration can't be changed"
        _print_plan(console, frozen_tables(), frozen_configuration(), [frozen])
        return
    assert options.out is not None
    files = copy_frozen(options.out, force=options.force)
    _print(console, f"{counted(files, 'file')} of the released data set in {options.out}")


def _check(console: Console, folder: Path) -> int:
    from chm.generate.verify import print_problems, verify

    with StepDisplay(Console(stderr=True)) as display, display.step("checking") as step:
        problems = verify(folder, step.advance)
    print_problems(problems, folder, console)
    return 1 if problems else 0


def _print_keys() -> None:
    from chm.generate.reference import configuration_table

    sys.stdout.write(configuration_table())


def _print_plan(
    console: Console,
    planned: Sequence[Estimate],
    in_force: Mapping[str, Any],
    remarks: Sequence[str],
) -> None:
    table = Table("table", box=None)
    table.add_column("rows", justify="right")
    table.add_column("bytes, about", justify="right")
    for item in planned:
        table.add_row(item.table, f"{item.rows:,}", f"{item.bytes:,}")
    console.print(table)
    _print(console, f"about {sum(item.bytes for item in planned):,} bytes on disk in all")
    for remark in remarks:
        _print(console, f"note: {remark}")
    _print(console, "\nconfiguration in force:")
    _print(console, yaml.safe_dump(dict(in_force), sort_keys=False, allow_unicode=True))


def _print_files(console: Console, files: Sequence[WrittenFile]) -> None:
    table = Table("file", box=None)
    table.add_column("rows", justify="right")
    table.add_column("bytes", justify="right")
    for file in files:
        rows = "" if file.rows is None else f"{file.rows:,}"
        table.add_row(file.path, rows, f"{file.bytes:,}")
    console.print(table)


def _print_summary(console: Console, data: DataSet) -> None:
    config, history = data.config, data.history
    roles = sorted({planted.role for planted in history.roles})
    _print(
        console,
        f"{counted(config.runs.total, 'run')} ({history.manual_runs:,} started by hand) of "
        f"{counted(len(history.pipelines), 'pipeline')}, seed {config.seed}; planted: "
        f"{counted(len(history.incidents), 'incident')}, {'role' if len(roles) == 1 else 'roles'} "
        f"{', '.join(roles)}",
    )


def _print(console: Console, text: str) -> None:
    console.print(text, soft_wrap=True, markup=False, highlight=False)
