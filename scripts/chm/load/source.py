"""A validated data set, ready to be loaded: in temporary tables, or straight from its files."""

import glob
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import duckdb

from chm.contract import Contract, Table, load_contract
from chm.errors import ChmError
from chm.load.result import Progress, StepClock
from chm.load.verify import check_manifests
from chm.validate import Report, check_data_set
from chm.validate.files import DataFile
from chm.validate.reader import open_data_set, typed_select
from chm.validate.records import MAX_RECORD_BYTES
from chm.validate.run import SIFT_FROM_BYTES
from chm.validate.sql import literal

# Of a file: inode, bytes, nanoseconds of its last change.
State = dict[Path, tuple[int, int, int]]


class InvalidDataSetError(ChmError):
    """The data set breaks the contract; `report` says where."""

    def __init__(self, report: Report) -> None:
        super().__init__(f"{report.data_set} breaks the data contract: nothing was loaded")
        self.report = report


@dataclass(frozen=True)
class Source:
    """A data set that keeps every rule, held by a DuckDB connection.

    `rows` are the rows of each table. `shards` are the CSV files of the runs where they were
    proved clean without being stored: in the contract's columns, lines ended by a line feed.
    Without any, all rows are in the connection's temporary tables.
    """

    connection: duckdb.DuckDBPyConnection
    contract: Contract
    folder: Path
    rows: dict[str, int]
    shards: tuple[DataFile, ...]
    state: State

    def reads_files(self, table: Table) -> bool:
        """Whether the rows of a table come from its files."""
        return bool(self.shards) and table.name == self.shards[0].table

    def select(self, table: Table) -> str:
        """Return the SQL for the table's rows, typed, in the contract's columns."""
        if not self.reads_files(table):
            return typed_select(table)
        return f"select * from {_read_csv(table, [shard.path for shard in self.shards])}"

    def size(self, path: Path) -> int:
        """Return the bytes that a file had when it was validated."""
        return self.state[path][1]

    def check_unchanged(self) -> None:
        """Make sure that the files read for loading are the ones that were validated.

        Raises:
            ChmError: a file has come, gone or changed since the validation began.
        """
        now = _state(self.folder)
        for path in sorted(self.state.keys() | now.keys()):
            if self.state.get(path) != now.get(path):
                raise ChmError(f"{path} changed while it was loaded: nothing was loaded")


@contextmanager
def open_source(folder: Path, clock: StepClock, progress: Progress) -> Iterator[Source]:
    """Validate the data set in `folder` and yield it.

    Raises:
        InvalidDataSetError: a rule of level E is broken.
        ChmError: the folder or a file can't be read.
    """

    def on_step(step: str) -> None:
        progress(step, 0, 0)

    started = perf_counter()
    state = _state(folder)
    with (
        tempfile.TemporaryDirectory() as spill,
        duckdb.connect(config={"temp_directory": spill}) as connection,
    ):
        connection.execute("set TimeZone = 'UTC'")
        data_set = open_data_set(
            connection, folder, on_step=on_step, sift_from_bytes=SIFT_FROM_BYTES
        )
        report = check_data_set(connection, data_set, on_step=on_step)
        if not report.is_valid:
            raise InvalidDataSetError(report)
        check_manifests(folder, data_set.files)
        rows: Counter[str] = Counter()
        clock.add("validate", sum(file.rows for file in report.files), perf_counter() - started)
        for file in data_set.files:
            rows[file.table] += file.rows + file.proved
        sifted = {file.table for file in data_set.files if file.proved}
        contract = load_contract()
        yield Source(
            connection=connection,
            contract=contract,
            folder=folder,
            rows={name: rows[name] for name in contract.tables},
            shards=tuple(file for file in data_set.files if file.table in sifted),
            state=state,
        )


def _state(folder: Path) -> State:
    found = {}
    for path in (*folder.glob("base/*.csv"), *folder.glob("batches/*")):
        if path.is_file():
            status = path.stat()
            found[path] = (status.st_ino, status.st_size, status.st_mtime_ns)
    return found


def _read_csv(table: Table, paths: list[Path]) -> str:
    """The files as the validator reads them, with the contract's types instead of text."""
    files = ", ".join(literal(glob.escape(str(path.resolve()))) for path in paths)
    columns = ", ".join(
        f"'{column.name}': '{'json' if column.sql_type == 'jsonb' else column.sql_type}'"
        for column in table.columns
    )
    return (
        f"read_csv([{files}], columns = {{{columns}}}, header = true, delim = ',', "
        "quote = '\"', escape = '\"', comment = '', nullstr = '', allow_quoted_nulls = true, "
        "auto_detect = false, strict_mode = true, null_padding = false, compression = 'none', "
        f"hive_partitioning = false, max_line_size = {MAX_RECORD_BYTES})"
    )
