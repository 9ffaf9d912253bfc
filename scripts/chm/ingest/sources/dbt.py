"""dbt invocations as events: run_results.json, with manifest.json beside it.

The files are read as plain JSON: dbt's own classes know the versions of one release.
"""

import hashlib
import json
import math
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from chm.errors import ChmError
from chm.ingest.events import SourceEvent
from chm.ingest.redact import cut_at_secret
from chm.ingest.sources.dbt_results import judge, node_type, package_of
from chm.ingest.sources.jsonl import unread

PLATFORM = "dbt"

_RESULTS = ("run_results.json", "sources.json")
# A larger document is stored without the compiled SQL, and if need be without what is not
# needed to know what became of the nodes.
_LARGEST_PAYLOAD = 1_000_000
_NEEDED = ("unique_id", "status", "message", "failures", "execution_time", "adapter_response",
           "error")  # fmt: skip
_LONGEST_MESSAGE = 500
# Options that choose nodes; without any, a command runs all nodes of its types.
_SELECTING = (
    *("select", "models", "exclude", "selector", "selector_name", "state"),
    *("resource_type", "resource_types", "exclude_resource_type", "exclude_resource_types"),
)
_TYPES = {
    "build": {"model", "test", "seed", "snapshot"},
    "run": {"model"},
    "seed": {"seed"},
    "snapshot": {"snapshot"},
    "test": {"test"},
}

_Document = dict[str, Any]


def artifact_files(paths: Sequence[Path]) -> list[Path]:
    """Return the results files of the paths: each a file, a target folder or a project.

    Raises:
        ChmError: a path holds none.
    """
    return [_results_file(path) for path in paths]


def read_dbt(
    files: Sequence[Path], pipeline: dict[str, str] | None = None
) -> Iterator[SourceEvent]:
    """Yield an event for the invocation of each results file.

    Args:
        files: run_results.json or sources.json, of any name.
        pipeline: the fields that name the pipeline; without it, it is the one of platform dbt
            whose external id is the project's name.
    """
    for path in files:
        try:
            results = _read(path)
        except OSError as error:
            yield _unread(path, f"can't be read: {error.strerror}")
            continue
        except RecursionError:
            yield _unread(path, "is nested too deep")
            continue
        except ValueError as error:
            yield _unread(path, f"is not JSON: {error}")
            continue
        if not isinstance(results, dict) or not isinstance(results.get("results"), list):
            yield _unread(path, "holds no results of dbt")
            continue
        manifest = _manifest(path.with_name("manifest.json"))
        named = pipeline or _by_project(results, manifest)
        fault = None if named else "tells no project: give --pipeline, or manifest.json beside it"
        yield SourceEvent(_event(results, manifest) | named, str(path), fault)


def _results_file(path: Path) -> Path:
    candidates = [path, *(path / folder / name for folder in ("", "target") for name in _RESULTS)]
    for candidate in candidates:
        if candidate.is_file():
            return candidate
    if path.is_dir():
        raise ChmError(f"{path} holds no run_results.json: give dbt's target folder")
    raise ChmError(f"{path} is not there")


def _read(path: Path) -> Any:  # noqa: ANN401
    # NaN and Infinity are no JSON, but Python's writer has them.
    return json.loads(path.read_text("utf-8-sig"), parse_constant=lambda _: None)


def _manifest(path: Path) -> _Document:
    """The manifest; empty if it is not there or can't be read, for a run is one without it."""
    try:
        found = _read(path)
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _unread(path: Path, fault: str) -> SourceEvent:
    try:
        text = path.read_text("utf-8", "replace")[:_LONGEST_MESSAGE]
    except OSError:
        text = ""
    return SourceEvent(unread(cut_at_secret(text)), str(path), fault)


def _event(document: _Document, manifest: _Document) -> _Document:
    metadata = _part(document, "metadata")
    results = [result for result in document["results"] if isinstance(result, dict)]
    verdict = judge(results, _missing_nodes(document, results, manifest))
    started_at, finished_at = _span(document, results)
    return {
        "external_run_id": metadata.get("invocation_id"),
        "status": verdict.status,
        "started_at": started_at,
        "finished_at": finished_at,
        "updated_at": finished_at,
        "rows_processed": verdict.rows_processed,
        "error_message": verdict.error_message,
        "status_reason": verdict.status_reason,
        "project": _project(document, manifest),
        "run_results": _bounded(document),
    }


def _by_project(document: _Document, manifest: _Document) -> dict[str, str]:
    project = _project(document, manifest)
    return {"platform": PLATFORM, "external_id": project} if project else {}


def _project(document: _Document, manifest: _Document) -> str | None:
    """The project's name: told since dbt 1.6, hashed before; else the one package of the nodes."""
    metadata = _part(manifest, "metadata")
    if name := metadata.get("project_name"):
        return str(name)
    ids = {package_of(unique_id) for unique_id in _part(manifest, "nodes")}
    for package in ids - {None}:
        assert package
        if hashlib.md5(package.encode()).hexdigest() == metadata.get("project_id"):
            return package
    ids = {package_of(result.get("unique_id")) for result in document["results"]
           if isinstance(result, dict)}  # fmt: skip
    return ids.pop() if len(ids) == 1 else None


def _span(document: _Document, results: list[_Document]) -> tuple[str | None, str | None]:
    """When the invocation started and finished, as ISO 8601 instants in UTC."""
    timings = [
        timing
        for result in results
        if isinstance(result.get("timing"), list)
        for timing in result["timing"]
        if isinstance(timing, dict)
    ]
    ends = _instants(timing.get("completed_at") for timing in timings)
    generated = _instants([_part(document, "metadata").get("generated_at")])
    finished = generated[0] if generated else max(ends, default=None)
    if finished is None:
        return None, None
    starts = _instants(timing.get("started_at") for timing in timings)
    elapsed = document.get("elapsed_time")
    if isinstance(elapsed, int | float) and math.isfinite(elapsed) and elapsed >= 0:
        with suppress(OverflowError):
            starts.append(finished - timedelta(seconds=elapsed))
    # A clock that was set back may have the end before the start.
    started = min((start for start in starts if start <= finished), default=None)
    return started.isoformat() if started else None, finished.isoformat()


def _instants(values: Any) -> list[datetime]:  # noqa: ANN401
    found = []
    for value in values:
        try:
            instant = datetime.fromisoformat(str(value))
        except ValueError:
            continue
        found.append(instant.astimezone(UTC) if instant.tzinfo else instant.replace(tzinfo=UTC))
    return found


def _missing_nodes(document: _Document, results: list[_Document], manifest: _Document) -> int:
    """How many nodes have no result though the command was to run all nodes.

    dbt marks nothing when it is interrupted: it writes the results that it has. Which nodes
    were chosen is known only where no option chooses, and only from the invocation's own
    manifest.
    """
    arguments = _part(document, "args")
    metadata, other = _part(document, "metadata"), _part(manifest, "metadata")
    types = _TYPES.get(str(arguments.get("which")))
    is_same = metadata.get("invocation_id") and (
        metadata.get("invocation_id") == other.get("invocation_id")
    )
    # dbt 2 leaves out nodes that failed or were skipped.
    is_core = str(metadata.get("dbt_version")).startswith(("0.", "1."))
    chooses = any(arguments.get(name) for name in _SELECTING) or any(
        isinstance(selector, dict) and selector.get("default")
        for selector in _part(manifest, "selectors").values()
    )
    if not types or not is_same or not is_core or chooses:
        return 0
    told = {result.get("unique_id") for result in results}
    return sum(
        node_type({"unique_id": unique_id}) in types
        and _part(node, "config").get("materialized") != "ephemeral"
        and unique_id not in told
        for unique_id, node in _part(manifest, "nodes").items()
    )


def _bounded(document: _Document) -> _Document:
    """The document as it is kept: whole, unless it is very large."""
    if len(json.dumps(document)) <= _LARGEST_PAYLOAD:
        return document
    results = [result for result in document["results"] if isinstance(result, dict)]
    shorter = document | {"results": [{**one, "compiled_code": None} for one in results]}
    if len(json.dumps(shorter)) <= _LARGEST_PAYLOAD:
        return shorter
    return document | {"results": [_summary(result) for result in results]}


def _summary(result: _Document) -> _Document:
    found = {name: result[name] for name in _NEEDED if result.get(name) is not None}
    return {
        name: value[:_LONGEST_MESSAGE] if isinstance(value, str) else value
        for name, value in found.items()
    }


def _part(document: object, key: str) -> _Document:
    part = document.get(key) if isinstance(document, dict) else None
    return part if isinstance(part, dict) else {}
