"""DAG runs over Airflow's stable REST API: /api/v2 of Airflow 3, /api/v1 of Airflow 2."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase

from chm.ingest.each_pipeline import FailedPipeline, read_each
from chm.ingest.events import SourceEvent
from chm.ingest.http import HttpError
from chm.ingest.known import known_pipelines, newest_updates
from chm.ingest.sources.airflow_server import Airflow, Object, dag_ids
from chm.ingest.sources.airflow_spool import Spool
from chm.ingest.store import Store

PLATFORM = "airflow"

_SHOWN_TASKS = 10
_TASK_FIELDS = ("task_id", "map_index", "state", "try_number", "start_date", "end_date")
# How often the runs of a DAG are listed anew because some were deleted meanwhile.
_RESTARTS = 3


@dataclass(frozen=True)
class Dag:
    """A DAG to read; `since` is the instant from which on runs that changed are wanted."""

    dag_id: str
    since: datetime | None = None

    def __str__(self) -> str:
        return f"{PLATFORM} {self.dag_id}"


def wanted_dags(
    store: Store,
    airflow: Airflow,
    client_name: str | None,
    patterns: Sequence[str],
    *,
    register: bool,
    since: datetime | None,
    overlap: timedelta,
) -> list[Dag]:
    """Return the DAGs to read: those of active pipelines, and with `register` unknown ones.

    Args:
        store: knows the pipelines, and their newest runs.
        airflow: knows the DAGs.
        client_name: the client whose pipelines are meant; all clients' if None.
        patterns: what the ids must match one of, such as `acme-*`, if there are any.
        register: whether DAGs that are no pipeline of the client yet are wanted too.
        since: the instant from which on changes are wanted; if None, `overlap` before the newest
            run stored of each DAG, and all runs of a DAG without any.
        overlap: what is read again.

    Raises:
        HttpError: the DAGs can't be listed.
    """
    pipelines = [
        pipeline
        for pipeline in known_pipelines(store)
        if pipeline.platform == PLATFORM and client_name in (None, pipeline.client_name)
    ]
    newest = newest_updates(store, [pipeline.id for pipeline in pipelines])
    instants: dict[str, list[datetime | None]] = {}
    for pipeline in pipelines:
        if pipeline.is_active:
            instants.setdefault(pipeline.external_id, []).append(newest.get(pipeline.id))
    if register:
        known = {pipeline.external_id for pipeline in pipelines}
        instants |= {dag_id: [None] for dag_id in dag_ids(airflow) if dag_id not in known}
    return [
        Dag(dag_id, since or _begin(found, overlap))
        for dag_id, found in instants.items()
        if not patterns or any(fnmatchcase(dag_id, pattern) for pattern in patterns)
    ]


def _begin(newest: Sequence[datetime | None], overlap: timedelta) -> datetime | None:
    """Before the newest run stored of every pipeline; None if one has no runs."""
    told = [instant for instant in newest if instant]
    if len(told) < len(newest):
        return None
    try:
        return min(told) - overlap
    except OverflowError:
        return None


def read_airflow(
    airflow: Airflow,
    dags: Sequence[Dag],
    failed: list[FailedPipeline],
    client_name: str | None = None,
    explained: int = 0,
    tell: Callable[[str], None] = lambda _: None,
) -> Iterator[SourceEvent]:
    """Yield an event for every run of the DAGs; those of a DAG by their updated_at.

    So whatever is stored of a DAG when this ends early, nothing older is missing, and the newest
    run stored tells where to go on. A DAG that fails is added to `failed` (see `read_each`).

    Args:
        airflow: the server.
        dags: what to read.
        failed: is added to.
        client_name: the client whose DAGs these are, named in the events.
        explained: how many failed runs of a DAG, the newest, are asked for their failed tasks.
        tell: is told what is being read.
    """

    def read(dag: Dag) -> Iterator[SourceEvent]:
        with Spool() as spool:
            _list_runs(spool, airflow, dag)
            unexplained = sum(run.get("state") == "failed" for run in spool) - explained
            for run in spool:
                tasks = []
                if run.get("state") == "failed":
                    unexplained -= 1
                    if unexplained < 0:
                        tasks = _failed_tasks(airflow, run)
                yield _event(dag, run, tasks, client_name)

    return read_each(dags, read, failed, tell)


def _list_runs(spool: Spool, airflow: Airflow, dag: Dag) -> None:
    """Get all runs of the DAG, in the one order in which none moves to the front meanwhile."""
    query = {"order_by": "id"}
    if dag.since:
        # Whatever happens to a run changes this: its start, its end, and that it is run again.
        query["updated_at_gte"] = dag.since.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    for _ in range(_RESTARTS + 1):
        spool.clear()
        most = 0
        for runs, total in airflow.pages("dag_runs", "dags", dag.dag_id, "dagRuns", **query):
            if total < most:
                # Runs were deleted: others may have moved to a page that is read already.
                break
            most = total
            for run in runs:
                spool.add(str(run.get("dag_run_id")), _updated_at(run), run)
        else:
            return
    raise HttpError("its runs are deleted faster than they can be listed")


def _failed_tasks(airflow: Airflow, run: Object) -> list[Object]:
    path = ("dags", str(run.get("dag_id")), "dagRuns", str(run.get("dag_run_id")), "taskInstances")
    tasks, _ = next(airflow.pages("task_instances", *path, state="failed"))
    return [{name: task.get(name) for name in _TASK_FIELDS} for task in tasks]


def _updated_at(run: Object) -> str | None:
    """The instant of the last change that the run tells; of one that waits, when it was made."""
    told = ("end_date", "start_date", "queued_at", "logical_date", "run_after")
    return next((run[name] for name in told if run.get(name)), None)


def _event(dag: Dag, run: Object, tasks: list[Object], client_name: str | None) -> SourceEvent:
    fields = {
        "platform": PLATFORM,
        "external_id": dag.dag_id,
        "client": client_name,
        "external_run_id": run.get("dag_run_id"),
        "status": run.get("state"),
        "started_at": run.get("start_date"),
        "finished_at": run.get("end_date"),
        "updated_at": _updated_at(run),
        "error_message": _told(tasks),
        "payload": run | {"failed_tasks": tasks} if tasks else run,
    }
    position = f"{dag.dag_id} {run.get('dag_run_id')}"
    return SourceEvent({name: value for name, value in fields.items() if value}, position)


def _told(tasks: list[Object]) -> str | None:
    """The failed tasks in a line, in one order."""
    told = sorted(_task(task) for task in tasks)
    more = len(told) - _SHOWN_TASKS
    text = ", ".join(told[:_SHOWN_TASKS]) + (f" and {more} more" if more > 0 else "")
    return f"failed tasks: {text}" if told else None


def _task(task: Object) -> str:
    index = task.get("map_index")
    place = f"[{index}]" if isinstance(index, int) and index >= 0 else ""
    tries = task.get("try_number")
    return f"{task.get('task_id')}{place}" + (f" (try {tries})" if tries else "")
