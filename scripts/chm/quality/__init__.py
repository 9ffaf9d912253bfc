"""Check the raw tables with Great Expectations, against suites built from the data contract."""

import warnings
from collections.abc import Callable
from pathlib import Path

from chm.project import project_dir
from chm.quality.report import ExpectationResult, QualityReport
from chm.targets import Target

__all__ = ["ExpectationResult", "QualityReport", "check"]


def check(
    target: Target,
    data_docs: Path | None = None,
    on_step: Callable[[str], None] = lambda _: None,
) -> QualityReport:
    """Check the raw tables of `target` against every rule of the contract that binds them.

    Where a table has other columns than the contract says, no table's rows are checked.

    Args:
        target: whose raw tables to check.
        data_docs: the folder for the Data Docs; target/great_expectations by default.
        on_step: told what is being done, for a progress display.

    Raises:
        ChmError: the target can't be reached or read, or a table is not there.
    """
    # Great Expectations and its dependencies warn about their own use of each other.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # Imported here: it takes seconds.
        from chm.quality.run import run_checks

        folder = data_docs or project_dir() / "target" / "great_expectations"
        return run_checks(target, folder, on_step)
