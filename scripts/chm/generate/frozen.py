"""The released demo data set: copied as it is, never made anew."""

import shutil
from pathlib import Path
from typing import Any

import yaml

from chm.errors import ChmError
from chm.generate.estimate import Estimate
from chm.generate.files import FOLDERS
from chm.generate.verify import verify
from chm.generate.writer import refuse_unfit, work_folder
from chm.profile.source import BATCHED
from chm.project import project_dir

_RELEASED = Path("data/synthetic/v1")


def frozen_tables() -> list[Estimate]:
    """Return the rows and bytes of each table of the released data set, as its manifest says."""
    tables: dict[str, Estimate] = {}
    for path, entry in _manifest()["files"].items():
        folder, name = path.split("/")
        if folder != "context":
            table = name.removesuffix(".csv") if folder == "base" else BATCHED
            former = tables.get(table, Estimate(table, 0, 0))
            tables[table] = Estimate(
                table, former.rows + entry["rows"], former.bytes + entry["bytes"]
            )
    return list(tables.values())


def frozen_configuration() -> dict[str, Any]:
    """Return the configuration that the released data set was made with."""
    configuration: dict[str, Any] = _manifest()["configuration"]
    return configuration


def _manifest() -> dict[str, Any]:
    path = project_dir() / _RELEASED / "context" / "generation_manifest.yaml"
    manifest: dict[str, Any] = yaml.safe_load(path.read_text("utf-8"))
    return manifest


def copy_frozen(out: Path, *, force: bool = False) -> int:
    """Copy the released data set into a folder and return its number of files.

    The generator that wrote it is history; its bytes are kept, and compared with the
    checksums of its manifest.

    Raises:
        ChmError: the folder can't take it, or the released files are not as they were.
    """
    source = project_dir() / _RELEASED
    problems = verify(source)
    if problems:
        raise ChmError(f"{source} is not as it was released: {problems[0]}")
    out = out.resolve()
    refuse_unfit(out, force=force)
    aside = work_folder(out)
    try:
        shutil.rmtree(aside, ignore_errors=True)
        for name in FOLDERS:
            shutil.copytree(source / name, aside / name)
        shutil.rmtree(out, ignore_errors=True)
        aside.rename(out)
    except OSError as error:
        raise ChmError(f"{out} can't be written: {error.strerror or error}") from error
    return sum(1 for path in out.rglob("*") if path.is_file())
