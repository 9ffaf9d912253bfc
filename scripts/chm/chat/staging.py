"""A data set as it would be with the tables of a chat model: its files, and whence each line."""

import csv
import io
import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from chm.chat.tables import ChatRow, ChatTable
from chm.contract import Contract
from chm.errors import ChmError
from chm.validate.records import read_records

BATCHED = "runs"
# Sorts behind every other batch, so that of two rows with one id the new one is to blame.
_STAGED_BATCH = "runs_~{number:03}.csv"


@dataclass(frozen=True)
class Origin:
    """A row of an answer and the table that it stands in."""

    table: ChatTable
    row: ChatRow


@dataclass(frozen=True)
class Staged:
    """What was staged: the lines of new rows, by the name of their file, and the batch files.

    `base_files` are the base tables that were written or extended.
    """

    origins: Mapping[tuple[str, int], Origin]
    base_files: tuple[str, ...]
    batches: tuple[tuple[str, ChatTable], ...]


def copy_data_set(source: Path, stage: Path) -> None:
    """Make `stage` a data set with the files of `source`, which need no space of their own.

    Args:
        source: A data set, or a folder that is not there yet.
        stage: A folder that is there and empty, on the same file system.
    """
    if source.exists():
        shutil.copytree(source, stage, symlinks=True, copy_function=_link, dirs_exist_ok=True)
    for name in ("base", "batches", "context"):
        (stage / name).mkdir(exist_ok=True)


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError:
        shutil.copy2(source, target, follow_symlinks=False)


def write_aside(path: Path, content: bytes) -> None:
    """Write a file of the stage; a file of the data set that it is linked to keeps its bytes."""
    path.unlink(missing_ok=True)
    path.write_bytes(content)


def stage_tables(contract: Contract, stage: Path, tables: Iterable[ChatTable]) -> Staged:
    """Add the tables to the staged data set: base tables to their files, each runs as a batch.

    A base table that is not there gets a file with a header alone, so that the data set is
    complete.

    Raises:
        ChmError: a base file has no header to go by.
    """
    by_name: dict[str, list[ChatTable]] = {name: [] for name in contract.tables}
    for table in tables:
        by_name[table.table.name].append(table)
    origins: dict[tuple[str, int], Origin] = {}
    base_files = []
    for name in contract.tables:
        path = stage / "base" / f"{name}.csv"
        if name == BATCHED or (path.exists() and not by_name[name]):
            continue
        columns = contract.tables[name].column_names
        before = path.read_bytes() if path.exists() else _line(columns)
        order = _order(path, columns) if path.exists() else columns
        write_aside(path, _appended(path.name, before, order, by_name[name], origins))
        base_files.append(f"base/{path.name}")
    batches = []
    for number, table in enumerate(by_name[BATCHED], start=1):
        path = stage / "batches" / _STAGED_BATCH.format(number=number)
        columns = table.table.column_names
        write_aside(path, _appended(path.name, _line(columns), columns, [table], origins))
        batches.append((path.name, table))
    return Staged(origins, tuple(base_files), tuple(batches))


def _order(path: Path, columns: Sequence[str]) -> Sequence[str]:
    """Return the columns as the file has them."""
    header = next(read_records(path), None)
    if header is None or sorted(header.fields) != sorted(columns):
        raise ChmError(
            f"{path.parent.name}/{path.name}:1 R01 must be a header of {path.stem}: "
            "see chm validate"
        )
    return header.fields


def _appended(
    name: str,
    before: bytes,
    order: Sequence[str],
    tables: Iterable[ChatTable],
    origins: dict[tuple[str, int], Origin],
) -> bytes:
    """Return the file with the rows behind it, and note in `origins` whence its lines are."""
    newline = b"\r\n" if before.split(b"\n", 1)[0].endswith(b"\r") else b"\n"
    parts = [before] if before.endswith(b"\n") else [before, newline]
    line = sum(part.count(b"\n") for part in parts) + 1
    for table in tables:
        positions = [table.table.column_names.index(column) for column in order]
        for row in table.rows:
            # A row that could not be read holds its place, so that its id is not just missing.
            fields = [row.fields[at] for at in positions] if not row.problem else ["unreadable"]
            text = _line(fields, newline)
            origins[name, line] = Origin(table, row)
            line += text.count(b"\n")
            parts.append(text)
    return b"".join(parts)


def _line(fields: Iterable[str], newline: bytes = b"\n") -> bytes:
    text = io.StringIO(newline="")
    # The writer quotes the characters of its line end, and a carriage return must be quoted.
    csv.writer(text, lineterminator="\r\n").writerow(fields)
    return text.getvalue().removesuffix("\r\n").encode() + newline
