"""Load a data set into the raw tables: validated first, then all four tables or nothing."""

import tempfile
from pathlib import Path

import duckdb

from chm.errors import ChmError
from chm.load.duckdb_loader import load_duckdb
from chm.load.postgres_loader import load_postgres
from chm.load.result import LoadResult, Progress, TableLoad, no_progress
from chm.targets import DuckDBTarget, Target
from chm.validate import Report, check_data_set
from chm.validate.reader import open_data_set

__all__ = ["InvalidDataSetError", "LoadResult", "Progress", "TableLoad", "load"]


class InvalidDataSetError(ChmError):
    """The data set breaks the contract; `report` says where."""

    def __init__(self, report: Report) -> None:
        super().__init__(f"{report.data_set} breaks the data contract: nothing was loaded")
        self.report = report


def load(
    folder: Path, target: Target, *, replace: bool = False, progress: Progress = no_progress
) -> LoadResult:
    """Validate the data set in `folder`, then load its four tables into `target`.

    All or nothing: a load that fails or is killed leaves the former content and every
    constraint in place. With `replace` the data set takes the place of what is there. The
    files are read once, so that what is loaded is what was validated.

    Raises:
        InvalidDataSetError: a rule of level E is broken.
        ChmError: the target can't be reached, is in use, refuses the data, or holds data
            already and `replace` is false.
    """

    def on_step(step: str) -> None:
        progress(step, 0, 0)

    with (
        tempfile.TemporaryDirectory() as spill,
        duckdb.connect(config={"temp_directory": spill}) as source,
    ):
        source.execute("set TimeZone = 'UTC'")
        report = check_data_set(
            source, open_data_set(source, folder, on_step=on_step), on_step=on_step
        )
        if not report.is_valid:
            raise InvalidDataSetError(report)
        if isinstance(target, DuckDBTarget):
            return load_duckdb(source, target, replace, progress)
        return load_postgres(source, target, replace, progress)
