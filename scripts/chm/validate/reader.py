"""Open a data set's files as all-text tables in DuckDB."""

import os
import tempfile
from collections.abc import Callable, Sequence
from fnmatch import fnmatch
from pathlib import Path

import duckdb

from chm.contract import Column, Contract, Table, load_contract
from chm.errors import ChmError
from chm.validate.csv_files import insert_csv, load_csv
from chm.validate.files import DataFile, DataSetFiles, Faults, source_table
from chm.validate.parquet_files import load_parquet
from chm.validate.sql import checked_view

__all__ = ["DataFile", "DataSetFiles", "open_data_set", "source_table", "typed_select"]

# The table that comes in batches; the others are one base file each.
_BATCHED = "runs"
_BATCH_PATTERNS = (f"{_BATCHED}_*.csv", f"{_BATCHED}_*.parquet")


def open_data_set(
    connection: duckdb.DuckDBPyConnection,
    folder: Path,
    limit: int = 20,
    on_step: Callable[[str], None] = lambda _: None,
    sift_from_bytes: int | None = None,
) -> DataSetFiles:
    """Load the files of a data set into the temporary tables `source_<table>`.

    Each has the contract's columns as text (empty is null) and `_file`. Call it outside a
    transaction: DuckDB numbers the rows of an open transaction differently.

    Args:
        connection: any DuckDB connection.
        folder: holds base/{clients,pipelines,alert_rules}.csv and batches/runs_*.{csv,parquet}.
        limit: how many R01 violations to keep.
        on_step: told what is being read.
        sift_from_bytes: from this size of the batches on, rows that are proved to keep every
            rule need not be loaded. None loads all rows.

    Raises:
        ChmError: the folder or a file can't be read.
    """
    if not folder.is_dir():
        raise ChmError(f"{folder} is not a folder: give the one that holds base/ and batches/")
    contract = load_contract()
    faults = Faults(limit)
    files: list[DataFile] = []
    incomplete: set[str] = set()
    for table in contract.tables.values():
        _create_source_table(connection, table)
        found_before = faults.count
        paths = _paths(folder, table, faults)
        sifted = None
        is_batched = table.name == _BATCHED
        if is_batched and sift_from_bytes is not None and _size(paths) >= sift_from_bytes:
            sifted = _sift(connection, contract, table, paths, len(files), on_step)
        if sifted is not None:
            files += sifted
        else:
            for path in paths:
                on_step(f"reading {path.name}")
                file = _load_file(connection, table, path, len(files), faults)
                if file is not None:
                    files.append(file)
        if faults.count > found_before:
            incomplete.add(table.name)
    return DataSetFiles(
        folder, tuple(files), tuple(faults.shown), faults.count, frozenset(incomplete)
    )


def typed_select(table: Table) -> str:
    """Return the SQL that reads `source_<table>` as the contract's columns and types.

    The rows are those of the files, in no given order; it fails on a value that is not of
    its type, so use it on a data set that has passed validation.
    """
    columns = ", ".join(f"{_cast(column)} as {column.name}" for column in table.columns)
    return f"select {columns} from {source_table(table)}"


def _cast(column: Column) -> str:
    sql_type = "json" if column.sql_type == "jsonb" else column.sql_type
    return column.name if sql_type == "text" else f"cast({column.name} as {sql_type})"


def _create_source_table(connection: duckdb.DuckDBPyConnection, table: Table) -> None:
    columns = ", ".join(f"{name} varchar" for name in table.column_names)
    connection.execute(
        f"create or replace temp table {source_table(table)} (_file integer, {columns})"
    )


def _paths(folder: Path, table: Table, faults: Faults) -> list[Path]:
    if table.name == _BATCHED:
        paths = _batches(folder / "batches", faults)
    else:
        paths = [folder / "base" / f"{table.name}.csv"]
    for path in paths:
        if not path.name.isprintable():
            raise ChmError(f"{path.name!a} in {folder}: a file name must be readable text")
    return paths


def _batches(folder: Path, faults: Faults) -> list[Path]:
    """List the batch files; a folder that is not there holds none, any other failure is told."""
    if not os.path.lexists(folder):
        return []
    try:
        # Not Path.glob: it takes a folder that can't be read for an empty one.
        names = sorted(os.listdir(folder))  # noqa: PTH208
    except OSError as error:
        raise ChmError(f"can't read the folder {folder}: {error.strerror}") from None
    batches = []
    for name in names:
        if any(fnmatch(name, pattern) for pattern in _BATCH_PATTERNS):
            batches.append(folder / name)
        elif not name.startswith("."):
            patterns = " nor ".join(_BATCH_PATTERNS)
            faults.add(folder / name, None, f"is no batch: its name matches neither {patterns}")
    return batches


def _size(paths: Sequence[Path]) -> int:
    return sum(path.stat().st_size for path in paths if path.is_file())


def _sift(
    connection: duckdb.DuckDBPyConnection,
    contract: Contract,
    table: Table,
    paths: Sequence[Path],
    first_index: int,
    on_step: Callable[[str], None],
) -> list[DataFile] | None:
    """Load the rows of batches that are not proved clean; None if they can't be sifted."""
    # Imported here: small data sets need not wait for the compiler.
    from chm.validate.proofs import are_sufficient, load_proofs
    from chm.validate.sieve import sift

    if not are_sufficient(contract, table) or any(not path.is_file() for path in paths):
        return None
    pipelines = contract.tables["pipelines"]
    connection.execute(checked_view(contract, pipelines, source_table(pipelines)))
    files = []
    header = list(table.column_names)
    with tempfile.TemporaryDirectory() as rest:
        try:
            sifted = sift(
                paths, first_index, load_proofs(connection, contract), Path(rest), on_step
            )
            if sifted is None:
                return None
            for index, (path, left) in enumerate(
                zip(paths, sifted, strict=True), start=first_index
            ):
                rows, first_row = 0, 0
                if left.lines:
                    rows, first_row = insert_csv(connection, table, left.path, header, index)
                if rows != len(left.lines):
                    raise AssertionError(f"{path}: {rows} rows instead of {len(left.lines)}")
                files.append(
                    DataFile(
                        path, table.name, rows, first_row, left.lines, left.proved, left.starts
                    )
                )
        except OSError as error:
            place = error.filename or paths[0].parent
            raise ChmError(f"{place} can't be read: {error.strerror}") from error
        except duckdb.Error:
            # The slow path says what is wrong.
            _create_source_table(connection, table)
            return None
    return files


def _load_file(
    connection: duckdb.DuckDBPyConnection,
    table: Table,
    path: Path,
    index: int,
    faults: Faults,
) -> DataFile | None:
    if not path.is_file():
        faults.add(path, None, f"is missing: expected {path}")
        return None
    load = load_parquet if path.suffix == ".parquet" else load_csv
    try:
        return load(connection, table, path, index, faults)
    except OSError as error:
        raise ChmError(f"{path} can't be read: {error.strerror}") from error
    except duckdb.Error as error:
        raise ChmError(f"{path} can't be read: {str(error).splitlines()[0]}") from error
