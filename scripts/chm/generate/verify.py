"""Compare a data set with the manifests that were written with it."""

import hashlib
import os
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from threading import Event
from typing import Annotated

import duckdb
import yaml
from pydantic import AfterValidator, BaseModel, Field, StrictInt, StrictStr, ValidationError
from rich.console import Console

from chm.errors import ChmError
from chm.expectations import problems_by_path
from chm.profile.source import read_header, select_text
from chm.words import counted

_FOLDERS = ("base", "batches", "context")
_MANIFESTS = "generation_manifest*.yaml"
_THREADS = 2
_CHUNK_BYTES = 1 << 20
_POLL_SECONDS = 0.1


@dataclass(frozen=True)
class Problem:
    """What is wrong with the file at `path`, which is relative to the data set's folder.

    `fault` is missing, unlisted, size, checksum or rows; the last three come with what the
    manifest says and what was found.
    """

    path: str
    fault: str
    expected: str = ""
    found: str = ""

    def __str__(self) -> str:
        match self.fault:
            case "missing":
                return f"{self.path}: is missing"
            case "unlisted":
                return f"{self.path}: is in no manifest"
            case _:
                return f"{self.path}: {self.fault} {self.found}, expected {self.expected}"


def _inside(path: str) -> str:
    pure = PurePosixPath(path)
    if str(pure) != path or not pure.parts or pure.parts[0] not in _FOLDERS or ".." in pure.parts:
        raise ValueError(f"expected a path below {', '.join(_FOLDERS)}, without '..'")
    return path


def _hex_digest(text: str) -> str:
    if not re.fullmatch("[0-9a-f]{64}", text):
        raise ValueError("expected 64 hexadecimal digits in lower case")
    return text


_Count = Annotated[StrictInt, Field(ge=0)]


class _Entry(BaseModel):
    rows: _Count | None = None
    bytes: _Count
    sha256: Annotated[StrictStr, AfterValidator(_hex_digest)]


class _Manifest(BaseModel):
    files: dict[Annotated[StrictStr, AfterValidator(_inside)], _Entry]


def verify(
    folder: Path, on_step: Callable[[int, int], None] = lambda _done, _total: None
) -> tuple[Problem, ...]:
    """Return every difference between a data set and its manifests, by path.

    The manifests are read in the order of their names; the last entry of a path counts. A file
    of the right size is read and hashed; rows are counted where size or checksum differ.

    Args:
        folder: the data set.
        on_step: told the bytes read so far and all bytes to read, again and again.

    Raises:
        ChmError: there is no manifest, a manifest is malformed, or a file can't be read.
    """
    entries = _listed(folder)
    problems = [Problem(path, "unlisted") for path in _present(folder) if path not in entries]
    to_hash = []
    for path, entry in entries.items():
        file = folder / path
        if not file.is_file():
            problems.append(Problem(path, "missing"))
        elif (size := file.stat().st_size) != entry.bytes:
            problems.append(Problem(path, "size", _bytes(entry.bytes), _bytes(size)))
            problems += _row_problems(file, path, entry)
        else:
            to_hash.append(path)
    total = sum(entries[path].bytes for path in to_hash)
    sums = _checksums(folder, to_hash, lambda done: on_step(done, total))
    for path, found in sums.items():
        entry = entries[path]
        if found != entry.sha256:
            problems.append(Problem(path, "checksum", entry.sha256, found))
            problems += _row_problems(folder / path, path, entry)
    return tuple(sorted(problems, key=lambda problem: problem.path))


def print_problems(problems: tuple[Problem, ...], folder: Path, console: Console) -> None:
    """Print each problem on a line of its own, and a verdict."""

    def line(text: str, style: str) -> None:
        console.print(text, style=style, markup=False, highlight=False, soft_wrap=True)

    for problem in problems:
        line(str(problem), "red")
    if problems:
        files = counted(len({problem.path for problem in problems}), "file")
        line(f"{folder} differs from its manifest in {files}", "bold red")
    else:
        line(f"{folder} is as its manifest says", "green")


def _listed(folder: Path) -> dict[str, _Entry]:
    """Return what the manifests say of each file."""
    if not folder.is_dir():
        raise ChmError(f"{folder} is not a folder: give the one that holds context/")
    manifests = sorted((folder / "context").glob(_MANIFESTS))
    if not manifests:
        raise ChmError(f"{folder / 'context' / _MANIFESTS}: expected a manifest, there is none")
    entries: dict[str, _Entry] = {}
    for path in manifests:
        entries |= _read_manifest(path).files
    return entries


def _read_manifest(path: Path) -> _Manifest:
    try:
        document = yaml.safe_load(path.read_text("utf-8"))
    except OSError as error:
        raise ChmError(f"{path} can't be read: {error.strerror}") from None
    except (yaml.YAMLError, ValueError) as error:
        raise ChmError(f"{path} is not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(document, dict):
        raise ChmError(f"{path}: expected the key files")
    try:
        return _Manifest.model_validate(document)
    except ValidationError as error:
        problems = problems_by_path(error, "manifest")
        raise ChmError("\n".join(f"{path}: {problem}" for problem in problems)) from None


def _present(folder: Path) -> list[str]:
    """Return the paths of all files in the data set's folders, but for the manifests."""

    def fail(error: OSError) -> None:
        raise ChmError(f"can't read the folder {error.filename}: {error.strerror}") from None

    files = [
        (Path(place) / name).relative_to(folder)
        for part in _FOLDERS
        if (folder / part).exists()
        for place, _, names in os.walk(folder / part, onerror=fail)
        for name in names
    ]
    return [
        path.as_posix()
        for path in files
        if not (path.parent == Path("context") and path.match(_MANIFESTS))
    ]


def _checksums(folder: Path, paths: list[str], on_step: Callable[[int], None]) -> dict[str, str]:
    """Return the SHA-256 of each file, two files being read at a time."""
    done = dict.fromkeys(paths, 0)
    stop = Event()

    def checksum(path: str) -> str:
        digest = hashlib.sha256()
        with (folder / path).open("rb") as file:
            while not stop.is_set() and (chunk := file.read(_CHUNK_BYTES)):
                digest.update(chunk)
                done[path] += len(chunk)
        return digest.hexdigest()

    with ThreadPoolExecutor(_THREADS) as executor:
        futures = {path: executor.submit(checksum, path) for path in paths}
        try:
            while wait(futures.values(), _POLL_SECONDS).not_done:
                on_step(sum(done.values()))
            on_step(sum(done.values()))
            return {path: future.result() for path, future in futures.items()}
        except OSError as error:
            raise ChmError(f"{error.filename} can't be read: {error.strerror}") from None
        finally:
            # Ctrl-C: without this the executor would read on to the end.
            stop.set()


def _row_problems(file: Path, path: str, entry: _Entry) -> list[Problem]:
    """Tell whether a file that differs has another number of rows too."""
    if entry.rows is None:
        return []
    rows = _rows(file)
    if rows == entry.rows:
        return []
    found = "unknown" if rows is None else f"{rows:,}"
    return [Problem(path, "rows", f"{entry.rows:,}", found)]


def _bytes(number: int) -> str:
    return f"{number:,} bytes"


def _rows(file: Path) -> int | None:
    """Count the rows of a table's file; None if it is too broken for that."""
    try:
        with duckdb.connect() as connection:
            header = read_header(connection, file)
            if not header:
                return 0
            source = select_text(connection, [file], header[:1])
            counted = connection.execute(f"select count(*) from ({source})").fetchone()
    except (ChmError, duckdb.Error):
        return None
    assert counted is not None
    return int(counted[0])
