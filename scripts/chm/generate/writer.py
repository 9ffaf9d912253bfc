"""Write a data set into a folder: aside first, then switched into place as a whole."""

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from chm.errors import ChmError
from chm.exchange import put_in_place
from chm.generate.dataset import DataSet
from chm.generate.files import FOLDERS, fingerprint, run_shards, write_others
from chm.generate.journal import Journal, WrittenFile, open_journal, remove_journal
from chm.generate.run_formats import CsvFormat, ParquetFormat
from chm.generate.shards import write_csv, write_parquet

FORMATS = ("csv", "parquet")
# A Parquet file is written by one worker: several files let all of them work.
DEFAULT_SHARD_ROWS = {"csv": None, "parquet": 1_000_000}
_LOCK = "lock"


def work_folder(out: Path) -> Path:
    """Return the folder beside `out` that holds a data set while it is being written."""
    return out.parent / f".{out.name}.generating"


def refuse_unfit(out: Path, *, force: bool) -> None:
    """Refuse a folder that can't take a new data set.

    Raises:
        ChmError: `out` is in use, or holds something other than a data set.
    """
    if out.exists() and not out.is_dir():
        raise ChmError(f"{out} is a file: --out takes a folder")
    if Path.cwd().is_relative_to(out):
        raise ChmError(f"{out} holds the working directory: --out takes a folder of its own")
    content = sorted(item.name for item in out.iterdir()) if out.is_dir() else []
    foreign = [name for name in content if name not in FOLDERS]
    if foreign:
        raise ChmError(f"{out} holds {foreign[0]}, which is no part of a data set: not replaced")
    if content and not force:
        raise ChmError(f"{out} already holds {', '.join(content)}: --force replaces it")


def write_data_set(
    data: DataSet,
    out: Path,
    *,
    file_format: str = "csv",
    shard_rows: int | None = None,
    workers: int = 1,
    earlier: Path | None = None,
    on_rows: Callable[[int], None] = lambda _: None,
    on_journal: Callable[[Journal], None] = lambda _: None,
) -> list[WrittenFile]:
    """Write a data set, or a further batch of one, and return its new files.

    Everything is written beside `out` and renamed at the end. An interrupted call leaves
    `out` as it was, and the same call goes on from where it was, ending in the same bytes.

    Args:
        data: The data set.
        out: The folder; what it holds is replaced.
        file_format: Of the runs: csv or parquet.
        shard_rows: Runs in a file; None is one file of CSV, or 1,000,000 of Parquet.
        workers: The number of threads; it does not change the bytes.
        earlier: The data set that this batch belongs to; it must be `out`.
        on_rows: Told of written rows, and first of those that an earlier call wrote.
        on_journal: Given the journal, which knows what is finished.

    Raises:
        ChmError: the folder can't be written, or another process writes it.
    """
    out = out.resolve()
    history = data.history
    shards = run_shards(data.config, file_format, shard_rows or DEFAULT_SHARD_ROWS[file_format])
    try:
        with _work_on(out, fingerprint(data, shards)) as journal:
            on_journal(journal)
            on_rows(_rows_done(journal))
            if file_format == "csv":
                lines = CsvFormat(data.config, history)
                write_csv(lines, history.blocks, shards, workers, journal, on_rows)
            else:
                tables = ParquetFormat(data.config, history)
                write_parquet(tables, history.blocks, shards, workers, journal, on_rows)
            runs = sorted(journal.progress.files, key=lambda file: file.path)
            files = write_others(data, journal.folder, runs, earlier)
            if earlier is not None:
                _link_earlier(earlier, journal.folder)
            _switch(journal.folder, out)
            return files
    except OSError as error:
        raise ChmError(f"{out} can't be written: {error.strerror or error}") from error


def _rows_done(journal: Journal) -> int:
    progress = journal.progress
    return sum(file.rows or 0 for file in progress.files) + (
        progress.part.rows if progress.part else 0
    )


@contextmanager
def _work_on(out: Path, told: str) -> Iterator[Journal]:
    """Give the journal of the folder beside `out`: begun by the same command, or new."""
    folder = work_folder(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    folder.mkdir(exist_ok=True)
    with (folder / _LOCK).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ChmError(f"another process is writing {out}") from None
        journal = open_journal(folder, told)
        if journal is None:
            for item in folder.iterdir():
                if item.is_dir():
                    shutil.rmtree(item)
                elif item.name != _LOCK:
                    item.unlink()
            journal = Journal(folder, told)
        for name in FOLDERS:
            (folder / name).mkdir(exist_ok=True)
        yield journal


def _link_earlier(earlier: Path, folder: Path) -> None:
    """Take over the files of the data set that are not new: the very same ones."""
    for file in sorted(earlier.rglob("*")):
        place = folder / file.relative_to(earlier)
        if file.is_dir():
            place.mkdir(exist_ok=True)
        elif not place.exists():
            os.link(file, place)


def _switch(folder: Path, out: Path) -> None:
    """Put a complete folder in the place of `out`."""
    remove_journal(folder)
    (folder / _LOCK).unlink()
    put_in_place(folder, out)
    # What was there before, if anything.
    shutil.rmtree(folder, ignore_errors=True)
