"""The released demo data set: copied as it is, never made anew."""

import shutil
from pathlib import Path

from chm.errors import ChmError
from chm.generate.files import FOLDERS
from chm.generate.verify import verify
from chm.generate.writer import refuse_unfit, work_folder
from chm.project import project_dir

_RELEASED = Path("data/synthetic/v1")


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
