"""Compute a data set's profile: one pass over the runs, the rest from its few groups."""

import tempfile
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from datetime import date
from itertools import count
from pathlib import Path

import duckdb

from chm.contract import Contract, Table, load_contract
from chm.errors import ChmError
from chm.profile.report import (
    UNKNOWN,
    Bucket,
    ClientRuns,
    Orphans,
    Profile,
    Runs,
    TableSize,
)
from chm.profile.source import BATCHED, select_text, table_files, told_by_file
from chm.validate.sql import literal

_POLL_SECONDS = 0.1
# What is needed of a table besides its key and the keys that it refers to.
_LABELS = {"clients": ("name",), "pipelines": ("platform",)}


def profile_data_set(
    folder: Path,
    top_clients: int = 10,
    on_progress: Callable[[float], None] = lambda _: None,
) -> Profile:
    """Read a data set and return its profile; tables without a file count as empty.

    Args:
        folder: holds base/*.csv and batches/runs_*.{csv,parquet}; no rule need hold in it.
        top_clients: how many clients to return, those with the most runs first.
        on_progress: told the percentage of the runs read, again and again.

    Raises:
        ChmError: the folder is no data set, or a file can't be read or lacks a column.
    """
    if not folder.is_dir():
        raise ChmError(f"{folder} is not a folder: give the one that holds base/ and batches/")
    contract = load_contract()
    files = {name: table_files(folder, table) for name, table in contract.tables.items()}
    if not any(files.values()):
        raise ChmError(
            f"{folder} holds no data set: expected base/*.csv or "
            f"batches/{BATCHED}_*.csv or .parquet"
        )
    with (
        tempfile.TemporaryDirectory() as spill,
        duckdb.connect(config={"temp_directory": spill}) as connection,
    ):
        connection.execute("set timezone = 'UTC'; set preserve_insertion_order = false")
        # Its progress is known only with the bar, and the bar is this program's to draw.
        connection.execute("set enable_progress_bar = true; set enable_progress_bar_print = false")
        for name, table in contract.tables.items():
            if name != BATCHED:
                with told_by_file(folder):
                    _load_keys(connection, table, files[name])
        with told_by_file(folder):
            _group_runs(connection, contract, files[BATCHED], on_progress)
        by_day = _by_day(connection)
        days = {day: platforms for day, platforms in by_day.items() if day is not None}
        return Profile(
            folder=folder,
            tables=tuple(_size(connection, name, paths) for name, paths in files.items()),
            orphans=tuple(_orphans(connection, contract)),
            statuses=_statuses(connection, contract),
            runs_per_pipeline=_histogram(connection),
            platforms=_platforms(connection, contract, by_day.values()),
            days=days,
            undated_runs=sum(runs.total for runs in by_day.get(None, {}).values()),
            clients=tuple(_clients(connection, top_clients)),
        )


def _load_keys(connection: duckdb.DuckDBPyConnection, table: Table, paths: list[Path]) -> None:
    """Make a temporary table of the keys, in lower case, and labels of a base table."""
    keys = [table.primary_key, *(column.name for column in table.columns if column.references)]
    labels = _LABELS.get(table.name, ())
    fields = ", ".join([*(f"lower({key}) as {key}" for key in keys), *labels])
    source = select_text(connection, paths, [*keys, *labels])
    connection.execute(f"create temp table {table.name} as select {fields} from ({source})")


def _group_runs(
    connection: duckdb.DuckDBPyConnection,
    contract: Contract,
    paths: list[Path],
    on_progress: Callable[[float], None],
) -> None:
    """Make `run_groups`: the runs of each pipeline and status, and of each platform and day.

    Both come from one pass over the files; a row of the first kind has `by_pipeline`.
    """
    statuses = contract.enums["run_statuses"]
    source = select_text(connection, paths, ["pipeline_id", "status", "started_at"])
    query = f"""
        create temp table run_groups as
        select
            pipeline_id,
            platform,
            try_cast(day as date) as day,
            status,
            coalesce(status in ({_texts(statuses.flagged("is_decided"))}), false) as is_decided,
            coalesce(status in ({_texts(statuses.flagged("is_failure"))}), false) as is_failure,
            pipeline_left_out = 0 as by_pipeline,
            runs
        from (
            select
                runs.pipeline_id,
                platforms.platform,
                runs.day,
                runs.status,
                grouping(runs.pipeline_id) as pipeline_left_out,
                count(*) as runs
            from (
                select lower(pipeline_id) as pipeline_id, status, left(started_at, 10) as day
                from ({source})
            ) as runs
            left join (
                select id, any_value(platform) as platform from pipelines group by id
            ) as platforms on platforms.id = runs.pipeline_id
            group by grouping sets (
                (runs.pipeline_id, runs.status), (platforms.platform, runs.day, runs.status)
            )
        )
    """
    with ThreadPoolExecutor(1) as executor:
        future = executor.submit(connection.execute, query)
        try:
            while wait([future], _POLL_SECONDS).not_done:
                on_progress(max(connection.query_progress(), 0))
        except BaseException:
            # Ctrl-C: without this the executor waits for the query's end.
            connection.interrupt()
            raise
        future.result()


def _texts(values: Iterable[str]) -> str:
    return ", ".join(literal(value) for value in values)


def _size(connection: duckdb.DuckDBPyConnection, table: str, paths: list[Path]) -> TableSize:
    query = f"select count(*) from {table}"
    if table == BATCHED:
        query = "select coalesce(sum(runs), 0) from run_groups where by_pipeline"
    rows = _number(connection, query)
    return TableSize(table, len(paths), rows, sum(path.stat().st_size for path in paths))


def _orphans(connection: duckdb.DuckDBPyConnection, contract: Contract) -> Iterator[Orphans]:
    for table in contract.tables.values():
        source, weight = table.name, "1"
        if table.name == BATCHED:
            source, weight = "(from run_groups where by_pipeline)", "runs"
        for column in table.columns:
            if column.references:
                # An empty reference is an orphan only where there must be one.
                missing = f"child.{column.name} is null" if column.required else "false"
                rows = _number(
                    connection,
                    f"select coalesce(sum({weight}), 0) from {source} as child where {missing} "
                    f"or child.{column.name} not in "
                    f"(select id from {column.references} where id is not null)",
                )
                yield Orphans(table.name, column.name, column.references, rows)


def _number(connection: duckdb.DuckDBPyConnection, query: str) -> int:
    found = connection.execute(query).fetchone()
    assert found is not None
    return int(found[0])


def _statuses(connection: duckdb.DuckDBPyConnection, contract: Contract) -> dict[str, int]:
    found = connection.execute(
        "select coalesce(status, ''), sum(runs)::bigint from run_groups "
        "where by_pipeline group by 1 order by 1"
    ).fetchall()
    return dict.fromkeys(contract.enums["run_statuses"].values, 0) | dict(found)


def _histogram(connection: duckdb.DuckDBPyConnection) -> tuple[Bucket, ...]:
    """Count pipelines by their number of runs, in buckets 0, 1, 2-4, 5-9, 10-19, 20-49, ..."""
    found = connection.execute(
        """
        select runs, count(*) from (
            select coalesce(sum(run_groups.runs), 0)::bigint as runs
            from (select distinct id from pipelines) as pipelines
            left join run_groups on run_groups.pipeline_id = pipelines.id
            group by pipelines.id
        )
        group by runs
        """
    ).fetchall()
    if not found:
        return ()
    most = max(runs for runs, _ in found)
    firsts = [0]
    for scale in count():
        firsts += [step * 10**scale for step in (1, 2, 5)]
        if firsts[-1] > most:
            break
    pipelines: Counter[int] = Counter()
    for runs, number in found:
        pipelines[bisect_right(firsts, runs) - 1] += number
    return tuple(
        Bucket(firsts[index], firsts[index + 1] - 1, pipelines[index])
        for index in range(min(pipelines), max(pipelines) + 1)
    )


def _by_day(connection: duckdb.DuckDBPyConnection) -> dict[date | None, dict[str, Runs]]:
    """Return the runs of each day and platform; those without a start under None."""
    days: dict[date | None, dict[str, Runs]] = {}
    for day, platform, *runs in connection.execute(
        f"select day, coalesce(platform, '{UNKNOWN}') as platform, {_RUNS} "
        "from run_groups where not by_pipeline group by all order by day, platform"
    ).fetchall():
        days.setdefault(day, {})[platform] = Runs(*runs)
    return days


_RUNS = (
    "coalesce(sum(runs), 0)::bigint, coalesce(sum(runs) filter (is_decided), 0)::bigint, "
    "coalesce(sum(runs) filter (is_failure), 0)::bigint"
)


def _platforms(
    connection: duckdb.DuckDBPyConnection,
    contract: Contract,
    days: Iterable[dict[str, Runs]],
) -> dict[str, Runs]:
    known = {
        platform
        for (platform,) in connection.execute("select distinct platform from pipelines").fetchall()
    }
    platforms = {
        platform: Runs() for platform in contract.enums["platforms"].values if platform in known
    }
    for day in days:
        for platform, runs in day.items():
            platforms[platform] = platforms.get(platform, Runs()) + runs
    return platforms


def _clients(connection: duckdb.DuckDBPyConnection, limit: int) -> Iterator[ClientRuns]:
    found = connection.execute(
        f"""
        select clients.id, any_value(clients.name), count(distinct pipelines.id), {_RUNS}
        from (select id, any_value(name) as name from clients group by id) as clients
        left join (
            select id, any_value(client_id) as client_id from pipelines group by id
        ) as pipelines on pipelines.client_id = clients.id
        left join run_groups on run_groups.pipeline_id = pipelines.id
        group by clients.id
        order by 4 desc, 1
        limit {limit}
        """
    ).fetchall()
    for client, name, pipelines, *runs in found:
        yield ClientRuns(client or "", name or "", pipelines, Runs(*runs))
