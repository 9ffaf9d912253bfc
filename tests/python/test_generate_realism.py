"""Statistics of a generated history: what the parameters ask for is what the rows show."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest

from chm.generate.dataset import DataSet
from chm.generate.draw import nearest
from generated import base, generate, plan, truth

NO_INCIDENT = {"per_30_days": 0.0}
CALM: dict[str, Any] = {
    "range": {"start": "2026-02-02", "end": "2026-03-16"},
    "clients": {"active_share": 1.0},
    "pipelines": {"total": 80, "active_share": 1.0, "late_share": 0.0, "new_share": 0.0},
    "runs": {"total": 20_000, "canceled_share": 0.0, "skipped_share": 0.0, "manual_share": 0.0},
    "failures": {
        "transient_share": 0.0,
        "outages": NO_INCIDENT,
        "platform_incidents": NO_INCIDENT,
        "client_incidents": NO_INCIDENT,
    },
    "roles": {f"{role}_share": 0.0 for role in ("flaky", "broken", "silent", "slow")},
    "ingestion": {"late_share": 0.0},
}
UPSTREAM_REASON = "status_reason like 'upstream\\_%' escape '\\'"


@dataclass(frozen=True)
class Made:
    """A data set, its truth, and a database of its runs (r), pipelines (p) and truth (t)."""

    folder: Path
    data: DataSet
    truth: dict[str, Any]
    db: duckdb.DuckDBPyConnection

    def one(self, sql: str) -> Any:
        """The first row of a query; its value if it has one column."""
        [row] = self.db.execute(sql).fetchall()
        return row[0] if len(row) == 1 else row

    def all(self, sql: str) -> list[Any]:
        return self.db.execute(sql).fetchall()


def make(folder: Path, *layers: dict[str, Any]) -> Made:
    data = generate(folder, *layers, file_format="parquet", workers=2)
    told = truth(folder)
    db = duckdb.connect()
    db.execute("set timezone = 'UTC'")
    db.execute(
        f"create table p as select * from read_csv('{folder}/base/pipelines.csv', header = true)"
    )
    columns = ("pipeline_id", "role", "since", "factor", "failed_share", "cadence_minutes")
    columns += ("upstream_pipeline_id", "runs", "failed_runs", "retries", "overlong_runs")
    db.execute(
        "create table t (pipeline_id uuid, role text, since timestamptz, factor double, "
        "failed_share double, cadence_minutes bigint, upstream_pipeline_id uuid, runs bigint, "
        "failed_runs bigint, retries bigint, overlong_runs bigint, lag_minutes bigint)"
    )
    offsets = data.history.plan.pipelines["offset_seconds"]
    upstream = data.history.plan.pipelines["upstream"]
    lags = [int(offset - offsets[row]) // 60 for offset, row in zip(offsets, upstream, strict=True)]
    db.executemany(
        f"insert into t values ({', '.join('?' * 12)})",
        [
            [*(entry[column] for column in columns), lag]
            for entry, lag in zip(told["pipelines"], lags, strict=True)
        ],
    )
    db.execute(
        f"""create table r as
        select *, payload::json ->> 'trigger' as trigger,
            (payload::json ->> 'attempt')::int as attempt,
            (payload::json ->> 'scheduled_at')::timestamptz as scheduled_at,
            regexp_replace(external_run_id, '-r[0-9]$', '') as slot,
            epoch(ingested_at - finished_at) as lag
        from read_parquet('{folder}/batches/*.parquet', file_row_number = true)"""
    )
    return Made(folder, data, told, db)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    values = {
        "seed": 8,
        "range": {"start": "2026-02-01", "end": "2026-05-02"},
        "pipelines": {"total": 160},
        "runs": {"total": 150_000},
    }
    found = make(tmp_path_factory.mktemp("realism") / "out", values)
    yield found
    found.db.close()


def assert_share(hits: int, total: int, share: float, margin: float = 0.0) -> None:
    """The hits are within five standard errors, and the margin, of their share."""
    assert total > 0
    error = 5 * math.sqrt(share * (1 - share) / total)
    assert abs(hits / total - share) <= error + margin, (hits, total, share)


# Statuses


def test_canceled_and_skipped_shares(made: Made) -> None:
    total, canceled, skipped = made.one(
        f"""select count(*), count_if(status = 'canceled'),
            count_if(status = 'skipped' and not {UPSTREAM_REASON}) from r"""
    )
    assert total == 150_000
    assert_share(canceled, total, 0.02)
    assert_share(skipped, total, 0.02)


@pytest.mark.parametrize(
    ("canceled", "skipped"), [(0.0, 0.0), (0.3, 0.1), (1.0, 0.0), (0.25, 0.75)]
)
def test_canceled_and_skipped_shares_up_to_all(
    canceled: float, skipped: float, tmp_path: Path
) -> None:
    shares = {"runs": {"canceled_share": canceled, "skipped_share": skipped, "total": 5000}}
    found = make(tmp_path / "out", CALM, shares)
    counts = dict(found.all("select status, count(*) from r where status <> 'running' group by 1"))
    total = sum(counts.values())
    assert_share(counts.get("canceled", 0), total, canceled)
    assert_share(counts.get("skipped", 0), total, skipped)


@pytest.mark.parametrize("share", [0.0, 0.015, 0.3, 0.6, 1.0])
def test_transient_share_is_the_mean_over_pipelines(share: float, tmp_path: Path) -> None:
    layer = {
        "seed": 5,
        "failures": {"transient_share": share},
        "upstream": {"share": 0.0},
        "retries": {"pipeline_share": 0.0},
        "pipelines": {"total": 400},
        # All pipelines run alike, so the mean over runs is that over pipelines.
        "schedule": {"tail_exponent": 10.0, "weekdays_share": 0.0, "business_hours_share": 0.0},
    }
    found = make(tmp_path / "out", CALM, layer)
    shares = [
        row[0]
        for row in found.all(
            """select avg((status = 'failed')::int) from r
            where status <> 'running' group by pipeline_id having count(*) >= 10"""
        )
    ]
    assert len(shares) > 350
    if share in (0.0, 1.0):
        assert set(shares) == {share}
    else:
        # Pipelines differ: their shares spread over four doublings.
        assert np.mean(shares) == pytest.approx(share, rel=0.12)
        assert np.std(shares) > 0.1 * share


def test_running_only_at_the_end(made: Made) -> None:
    count, first, known = made.one(
        "select count(*), min(started_at), max(ingested_at - started_at) from r "
        "where status = 'running'"
    )
    assert count > 0
    assert made.one(f"select '{first}'::timestamptz > '2026-05-01'::timestamptz")
    assert known.total_seconds() <= 5
    # Nothing is known after the end, and nothing else is left open.
    assert made.one("select max(ingested_at) < '2026-05-02'::timestamptz from r")
    assert made.one("select count_if((finished_at is null) <> (status = 'running')) from r") == 0


# Fleet


def test_tiers_are_dealt_by_share_and_keep_their_bounds(tmp_path: Path) -> None:
    bounds = {"small": [1, 3], "medium": [5, 8], "large": [10, 20], "enterprise": [30, 40]}
    shares = {"small": 0.7, "medium": 0.2, "large": 0.08, "enterprise": 0.02}
    tiers = {name: {"share": shares[name], "pipelines": bounds[name]} for name in bounds}
    generate(tmp_path / "out", {"clients": {"total": 100, "tiers": tiers}, "runs": {"total": 100}})
    sizes: dict[str, int] = {}
    for row in base(tmp_path / "out", "pipelines"):
        sizes[row["client_id"]] = sizes.get(row["client_id"], 0) + 1
    by_tier = {
        name: [size for size in sizes.values() if least <= size <= most]
        for name, (least, most) in bounds.items()
    }
    assert {name: len(found) for name, found in by_tier.items()} == {
        "small": 70,
        "medium": 20,
        "large": 8,
        "enterprise": 2,
    }
    assert set(by_tier["small"]) == {1, 2, 3}
    assert set(by_tier["medium"]) == {5, 6, 7, 8}


def test_shares_of_the_fleet_are_exact() -> None:
    data = plan({"pipelines": {"total": 160}, "runs": {"total": 1000}})
    total = len(data.pipelines)
    assert sum(item.is_active for item in data.pipelines) == nearest(total, 0.95)
    assert sum(item.description is not None for item in data.pipelines) == nearest(total, 0.85)
    assert sum(item.external_id is not None for item in data.pipelines) == nearest(total, 0.9)
    assert sum(item.is_active for item in data.clients) == nearest(len(data.clients), 0.9)
    start = data.config.range.start
    assert sum(item.created_at >= start for item in data.pipelines) == nearest(total, 0.1) + 2
    counts: dict[tuple[str, str], int] = {}
    for item in data.pipelines:
        key = (item.platform, item.pipeline_type)
        counts[key] = counts.get(key, 0) + 1
    weights = {
        (platform, name): weight
        for platform, types in data.config.pipelines.mix.items()
        for name, weight in types.items()
    }
    for key, weight in weights.items():
        assert abs(counts[key] - total * weight / sum(weights.values())) < 1, key


def test_runs_over_pipelines_follow_the_power_law() -> None:
    tops = []
    for exponent in (0.3, 0.9, 5.0):
        data = plan(
            CALM,
            {"pipelines": {"total": 200}, "schedule": {"tail_exponent": exponent}},
        )
        counts = np.sort(data.history.tally.runs)
        tops.append(counts[-20:].sum() / counts.sum())
    assert tops[0] > tops[1] + 0.1
    assert tops[1] > tops[2] + 0.1


def test_nothing_runs_outside_the_life_of_its_pipeline_and_client(made: Made) -> None:
    stops = {
        item.id: item.stopped_at for item in made.data.pipelines if item.stopped_at is not None
    }
    assert len(stops) > 8
    created = {item.id: item.created_at for item in made.data.pipelines}
    for key, first, last in made.all(
        "select pipeline_id::text, min(started_at), max(started_at) from r group by 1"
    ):
        assert first >= created[key]
        assert key not in stops or last < stops[key]


# Durations and rows

STEADY: dict[str, Any] = {
    "durations": {
        "pipeline_percent": [100, 100],
        "cadence_percent": 10_000,
        "long_tail": None,
        "by_type": {"healthcheck": {"median_seconds": 120}},
    },
    "rows": {"weekday_percent": [100] * 7},
    "runs": {"total": 40_000},
}


def test_durations_are_log_normal_by_type_and_platform(tmp_path: Path) -> None:
    found = make(tmp_path / "out", CALM, STEADY)
    settings = found.data.config.durations
    for platform, kind, count, mean, spread, skew in found.all(
        """select platform, pipeline_type, count(*), avg(ln(duration_seconds + 0.5)),
            stddev(ln(duration_seconds + 0.5)), skewness(ln(duration_seconds + 0.5))
        from r join p on r.pipeline_id = p.id where status = 'success' group by 1, 2"""
    ):
        expected = settings.by_type[kind]
        median = expected.median_seconds * settings.platform_percent[platform] / 100
        error = 5 / math.sqrt(count)
        assert mean == pytest.approx(math.log(median), abs=expected.sigma * error + 0.01)
        assert spread == pytest.approx(expected.sigma, rel=error + 0.02)
        assert abs(skew) < 0.02 + error


def test_durations_and_rows_show_the_weekday(tmp_path: Path) -> None:
    percents = [200, 100, 100, 100, 100, 50, 25]
    layer = {"rows": {"weekday_percent": percents}}
    found = make(tmp_path / "out", CALM, STEADY, layer)
    for column, slack in (("duration_seconds", 0.03), ("rows_processed", 0.25)):
        by_day = dict(
            found.all(
                f"""with centred as (
                    select isodow(started_at) as day,
                        ln({column} + 0.5) - avg(ln({column} + 0.5)) filter (
                            isodow(started_at) between 2 and 5) over (partition by pipeline_id)
                            as value
                    from r where status = 'success')
                select day, avg(value) from centred group by 1"""
            )
        )
        for day, percent in enumerate(percents, start=1):
            expected = math.log(percent / 100)
            assert by_day[day] == pytest.approx(expected, abs=slack + slack * abs(expected))


def test_long_tail_is_the_share_of_one_kind_of_runs(tmp_path: Path) -> None:
    tail = {"run_share": 0.06, "factor": [8, 8]}
    layer = {
        "durations": {
            "long_tail": tail,
            "by_type": {"transform": {"sigma": 0.0}},
        },
        "pipelines": {"mix": {"dbt": {"transform": 40}}},
    }
    found = make(tmp_path / "out", CALM, STEADY, layer)
    long, total, others = found.one(
        """select count_if(is_long and is_tail), count_if(is_tail),
            count_if(is_long and not is_tail) from (
            select platform = 'dbt' and pipeline_type = 'transform' as is_tail,
                pipeline_type = 'transform' and duration_seconds > 600 * 1.2 * 7 as is_long
            from r join p on r.pipeline_id = p.id where status = 'success')"""
    )
    assert_share(long, total, 0.06)
    assert others == 0
    assert found.truth["long_tail"]["runs"] == long
    assert sum(entry["overlong_runs"] for entry in found.truth["pipelines"]) == long


def test_rows_follow_the_duration_inside_the_types_range(made: Made) -> None:
    correlations = made.all(
        """select pipeline_type, corr(ln(rows_processed), ln(duration_seconds + 0.5))
        from r join p on r.pipeline_id = p.id join t on t.pipeline_id = p.id
        where status = 'success' and role in ('healthy', 'flaky')
            and (platform, pipeline_type) <> ('dbt', 'transform') and duration_seconds > 5
        group by r.pipeline_id, pipeline_type having count(*) > 300"""
    )
    assert len(correlations) > 40
    assert min(value for _, value in correlations) > 0.3
    assert np.mean([value for _, value in correlations]) > 0.5
    assert made.one("select count_if((rows_processed is null) = (status = 'success')) from r") == 0


def test_rows_drift(tmp_path: Path) -> None:
    slopes = []
    for percent in (0, 60):
        layer = {"rows": {"drift_percent_per_month": percent, "sigma": 0.1}}
        found = make(tmp_path / str(percent), CALM, STEADY, layer)
        slopes.append(
            np.std(
                [
                    row[0]
                    for row in found.all(
                        """select regr_slope(ln(rows_processed), epoch(started_at) / 2592000)
                        from r where status = 'success' group by pipeline_id
                        having count(*) > 100"""
                    )
                ]
            )
        )
    assert slopes[0] < 0.05
    assert slopes[1] > 0.5


# Failures


def test_truth_counts_what_the_rows_show(made: Made) -> None:
    differing = made.all(
        """select t.pipeline_id from t left join (
            select pipeline_id, count(*) as runs, count_if(status = 'failed') as failed_runs,
                count_if(trigger = 'retry') as retries from r group by 1) f
        on t.pipeline_id = f.pipeline_id
        where t.runs <> coalesce(f.runs, 0) or t.failed_runs <> coalesce(f.failed_runs, 0)
            or t.retries <> coalesce(f.retries, 0)"""
    )
    assert differing == []
    retries = made.one("select count_if(trigger = 'retry') from r")
    assert made.truth["retries"]["runs"] == retries > 500


def test_incidents_show_in_the_failures_of_their_scope(made: Made) -> None:
    windows = made.truth["incidents"]
    assert {window["scope"] for window in windows} == {"platform", "client"}
    made.db.execute(
        "create table w (n int, pipeline_id uuid, first timestamptz, stop timestamptz, "
        "scope text, name text)"
    )
    for number, window in enumerate(windows):
        name = window["platform"] or window["client_id"]
        made.db.executemany(
            "insert into w values (?, ?, ?, ?, ?, ?)",
            [
                [number, key, window["started_at"], window["ended_at"], window["scope"], name]
                for key in window["pipeline_ids"]
            ],
        )
    # The scope is the whole platform, or the whole client.
    assert (
        made.one(
            """select count(*) from w anti join p on p.id = w.pipeline_id
                and w.name in (p.platform, p.client_id::text)"""
        )
        == 0
    )
    assert (
        made.one(
            """select count(*) from (select distinct n, name from w) s join p
            on s.name in (p.platform, p.client_id::text)
        anti join w on w.n = s.n and w.pipeline_id = p.id"""
        )
        == 0
    )
    counts = {
        number: (runs, failed)
        for number, runs, failed in made.all(
            """select n, count(*), count_if(status = 'failed') from w join r
                on r.pipeline_id = w.pipeline_id and r.started_at >= first and r.started_at < stop
            group by n"""
        )
    }
    assert counts == {
        number: (window["runs"], window["failed_runs"]) for number, window in enumerate(windows)
    }
    inside = made.one(
        f"""select count(*), count_if(status = 'failed') from r semi join w
            on r.pipeline_id = w.pipeline_id and r.started_at >= first and r.started_at < stop
        where status in ('failed', 'success') and not coalesce({UPSTREAM_REASON}, false)"""
    )
    assert inside[0] > 500
    assert inside[1] / inside[0] > 0.9 - 5 * math.sqrt(0.09 / inside[0])
    outside = made.one(
        """select avg((status = 'failed')::int) from r
        anti join w on r.pipeline_id = w.pipeline_id and r.started_at >= first
            and r.started_at < stop
        semi join t on t.pipeline_id = r.pipeline_id and t.role = 'healthy'"""
    )
    assert 0.005 < outside < 0.08


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_failed_share_of_incidents_is_honoured(share: float, tmp_path: Path) -> None:
    layer = {
        "failures": {
            "platform_incidents": {"per_30_days": 6.0, "failed_share": share},
            "client_incidents": {"per_30_days": 0.0},
        },
        "upstream": {"share": 0.0},
    }
    found = make(tmp_path / "out", CALM, layer)
    runs = sum(window["runs"] for window in found.truth["incidents"])
    failed = sum(window["failed_runs"] for window in found.truth["incidents"])
    assert runs > 500
    assert_share(failed, runs, share, margin=0.005)
    assert found.one("select count_if(status = 'failed') from r") == failed


def test_outages_are_told_and_are_when_their_pipelines_fail(made: Made) -> None:
    rows = [
        [entry["pipeline_id"], first, stop]
        for entry in made.truth["pipelines"]
        for first, stop in entry["outages"]
    ]
    made.db.execute("create table o (pipeline_id uuid, first timestamptz, stop timestamptz)")
    made.db.executemany("insert into o values (?, ?, ?)", rows)
    total, failed = made.one(
        f"""select count(*), count_if(status = 'failed') from r semi join o
            on r.pipeline_id = o.pipeline_id and r.started_at >= first and r.started_at < stop
        where status in ('failed', 'success') and not coalesce({UPSTREAM_REASON}, false)"""
    )
    assert total > 500
    assert failed / total > 0.95 - 5 * math.sqrt(0.05 / total)


# Roles


def test_roles_show(made: Made) -> None:
    free = [
        item
        for item, planted in zip(made.data.pipelines, made.data.history.roles, strict=True)
        if item.stopped_at is None and planted.role != "new"
    ]
    counts = dict(made.all("select role, count(*) from t group by 1"))
    for role, share in (("flaky", 0.06), ("broken", 0.03), ("silent", 0.03), ("slow", 0.03)):
        assert counts[role] == math.ceil(len(free) * share), role
    assert (
        made.one(
            "select count(*) from r semi join t on r.pipeline_id = t.pipeline_id and role = 'new'"
        )
        == 0
    )
    for role in ("broken", "silent", "slow"):
        before, after, good = made.one(
            f"""select min(before), min(after), max(good) from (
                select count_if(started_at < since) as before,
                    count_if(started_at >= since) as after,
                    count_if(started_at >= since and status = 'success') as good
                from t left join r using (pipeline_id) where role = '{role}'
                group by pipeline_id)"""
        )
        assert before >= 5, role
        if role == "silent":
            assert after == 0
        else:
            assert after >= 3
        if role == "broken":
            assert good == 0


def test_slow_pipelines_take_so_many_times_as_long(tmp_path: Path) -> None:
    layer = {
        "roles": {"slow_share": 0.3, "slow_factor": [2, 5], "since_days": [15, 20]},
        "schedule": {"cadences_minutes": [30, 60]},
    }
    found = make(tmp_path / "out", CALM, STEADY, layer)
    ratios = found.all(
        """select factor, median(duration_seconds) filter (started_at >= since)
            / median(duration_seconds) filter (started_at < since)
        from t join r using (pipeline_id) where role = 'slow' and status = 'success'
        group by pipeline_id, factor"""
    )
    assert len(ratios) == 24
    for factor, ratio in ratios:
        assert 2 <= factor <= 5
        assert ratio == pytest.approx(factor, rel=0.25)


def test_flaky_pipelines_fail_at_their_share(made: Made, tmp_path: Path) -> None:
    layer = {"roles": {"flaky_share": 0.25}, "upstream": {"share": 0.0}}
    found = make(tmp_path / "out", CALM, layer)
    flaky = found.all("select failed_share, runs, failed_runs from t where role = 'flaky'")
    assert len(flaky) == 20
    for share, runs, failed in flaky:
        assert 0.15 <= share <= 0.35
        assert_share(failed, runs, share, margin=0.01)
    healthy = found.one("select sum(failed_runs) from t where role = 'healthy'")
    assert healthy == 0
    # In a usual fleet they stand out as well.
    rates = dict(made.all("select role, sum(failed_runs) / sum(runs) from t group by 1"))
    assert rates["flaky"] > 3 * rates["healthy"]


# Retries and what waits for others


def test_retry_follows_the_failure_that_it_repeats(made: Made) -> None:
    retries, orphans, early, most = made.one(
        """select count(*), count_if(f.id is null), count_if(r.started_at <= f.finished_at),
            max(r.attempt)
        from r left join r f on f.pipeline_id = r.pipeline_id and f.slot = r.slot
            and f.attempt = r.attempt - 1 and f.status = 'failed'
        where r.trigger = 'retry'"""
    )
    assert retries > 500
    assert (orphans, early) == (0, 0)
    assert 2 < most <= 4
    assert made.one("select count_if((trigger = 'retry') <> (attempt > 1)) from r") == 0
    assert (
        made.one(
            "select count_if(external_run_id <> slot || case when attempt > 1 then "
            "'-r' || attempt else '' end) from r"
        )
        == 0
    )


@pytest.mark.parametrize(("share", "attempts"), [(0.0, 4), (1.0, 3)])
def test_attempts_are_those_configured(share: float, attempts: int, tmp_path: Path) -> None:
    layer = {
        "retries": {"pipeline_share": share, "attempts": [attempts, attempts]},
        "failures": {"transient_share": 1.0},
        "upstream": {"share": 0.0},
        "runs": {"total": 3000},
    }
    found = make(tmp_path / "out", CALM, layer)
    expected = attempts if share else 1
    # Of slots that have ended long before the range does.
    assert found.all(
        "select distinct max(attempt) from r where trigger <> 'manual' group by pipeline_id, slot "
        "having max(started_at) < '2026-03-15'"
    ) == [(expected,)]


def test_upstream_failures_precede_what_they_cause(made: Made) -> None:
    """A run that names its upstream starts after the upstream's run of its slot had failed."""
    hit, caused = made.one(
        f"""select count(*), count_if(exists (
            select 1 from r u where u.pipeline_id = t.upstream_pipeline_id
                and u.scheduled_at = r.scheduled_at - to_minutes(t.lag_minutes)
                and u.finished_at <= r.started_at and u.trigger <> 'manual'
                and (u.status = 'failed' or u.{UPSTREAM_REASON})))
        from r join t using (pipeline_id) where {UPSTREAM_REASON}"""
    )
    assert hit > 300
    assert caused == hit


def test_upstream_failures_hit_the_configured_share(made: Made) -> None:
    made.db.execute(
        f"""create table d as
        with last as (
            select pipeline_id, scheduled_at, max_by(finished_at, attempt) as finished_at,
                max_by(status = 'failed' or coalesce({UPSTREAM_REASON}, false), attempt) as failed
            from r where trigger <> 'manual' group by 1, 2)
        select r.* from r join t using (pipeline_id) join last u
            on u.pipeline_id = t.upstream_pipeline_id
            and u.scheduled_at = r.scheduled_at - to_minutes(t.lag_minutes)
        where r.attempt = 1 and r.trigger = 'schedule' and u.failed
            and u.finished_at <= r.started_at and r.status <> 'running'
            and (r.status <> 'canceled')
            and (r.status <> 'skipped' or {UPSTREAM_REASON.replace("status", "r.status")})"""
    )
    total, hit, skipped = made.one(
        f"""select count(*), count_if(coalesce({UPSTREAM_REASON}, false)),
            count_if(status = 'skipped') from d"""
    )
    assert total > 300
    assert_share(hit, total, 0.9)
    assert_share(skipped, hit, 0.6)


# Times


def test_nothing_is_known_before_it_happened(made: Made) -> None:
    assert (
        made.one(
            """select count_if(started_at < scheduled_at or finished_at < started_at
            or ingested_at < coalesce(finished_at, started_at) or updated_at < created_at
            or started_at < '2026-02-01'::timestamptz) from r"""
        )
        == 0
    )


def test_some_events_arrive_late_and_out_of_order(made: Made) -> None:
    late, total = made.one("select count_if(lag >= 600), count(lag) from r")
    assert_share(late, total, 0.01)
    assert made.one("select max(lag) <= 480 * 60 from r")
    assert made.one("select median(lag) between 12 and 18 from r")
    overtaken = made.one(
        "select count(*) from (select ingested_at, lag(ingested_at) over (order by file_row_number)"
        " as former from r) where ingested_at < former"
    )
    assert overtaken > 1000


@pytest.mark.parametrize("share", [0.0, 0.2, 1.0])
def test_late_share_is_honoured(share: float, tmp_path: Path) -> None:
    layer = {"ingestion": {"late_share": share, "late_minutes": [60, 120]}, "runs": {"total": 5000}}
    found = make(tmp_path / "out", CALM, layer)
    late, total = found.one("select count_if(lag between 3600 and 7200), count(lag) from r")
    assert_share(late, total, share)


def test_manual_share_is_about_the_configured(tmp_path: Path) -> None:
    for share in (0.0, 0.3):
        found = make(tmp_path / str(share), CALM, {"runs": {"manual_share": share}})
        manual, total = found.one("select count_if(trigger = 'manual'), count(*) from r")
        assert share <= manual / total < share + 0.06
        assert found.data.history.manual_runs == manual
