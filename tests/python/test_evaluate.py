"""`chm evaluate`: the truth's files, the scores of hand-made marts, its output and messages."""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from chm.cli import app
from chm.errors import ChmError
from chm.evaluate import evaluate_target
from chm.evaluate.intervals import Interval
from chm.evaluate.marts import FailingSpell, FlakyRank, Freshness, Marts, Pipeline, Runs
from chm.evaluate.scores import evaluate
from chm.evaluate.truth import Truth, read_truth
from chm.generate.faults import Role
from chm.project import project_dir
from chm.targets import DuckDBTarget

START = datetime(2026, 1, 1, tzinfo=UTC)
AS_OF = START + timedelta(days=30)
DATA_SET = project_dir() / "data/synthetic/v1"


def at(day: float) -> datetime:
    return START + timedelta(days=day)


def iso(day: float) -> str:
    return f"{at(day):%Y-%m-%dT%H:%M:%SZ}"


def entry(key: str, role: str = "healthy", since: float | None = None, **more: Any) -> dict:
    return {"pipeline_id": key, "role": role, "since": None if since is None else iso(since)} | more


def truth_file(*pipelines: dict, incidents: list[dict] | None = None, version: int = 2) -> dict:
    return {
        "format": version,
        "range": {"start": iso(0), "end": iso(30)},
        "incidents": incidents or [],
        "pipelines": list(pipelines),
        # More than is read.
        "long_tail": {},
    }


def write(folder: Path, files: Mapping[str, Any]) -> Path:
    (folder / "context").mkdir(parents=True, exist_ok=True)
    for name, value in files.items():
        text = value if isinstance(value, str) else json.dumps(value)
        (folder / "context" / name).write_text(text, "utf-8")
    return folder


def truth(folder: Path, *pipelines: dict, incidents: list[dict] | None = None) -> Truth:
    return read_truth(
        write(folder, {"planted_truth.json": truth_file(*pipelines, incidents=incidents)})
    )


def make_marts(keys: str, failed_days: Mapping[str, list[float]] | None = None) -> Marts:
    """Marts with the pipelines named by single letters, each with a run a day.

    A pipeline is of client 1 and on airflow.
    """
    rows = [
        (
            number,
            int(at(day).timestamp()),
            int(at(day).timestamp()) + 3600,
            day in (failed_days or {}).get(key, []),
        )
        for number, key in enumerate(keys)
        for day in range(30)
    ]
    table = np.array(rows, dtype=np.int64).reshape(-1, 4)
    return Marts(
        as_of=AS_OF,
        pipelines=tuple(Pipeline(key, "client1", "airflow", True) for key in keys),
        runs=Runs(table[:, 0], table[:, 1], table[:, 2], table[:, 3].astype(bool)),
        flaky=(),
        freshness=(),
        spells=(),
    )


def spell(key: str, start: float, end: float | None, failed: int) -> FailingSpell:
    return FailingSpell(key, at(start), None if end is None else at(end), failed, end is None)


class TestTruth:
    def test_format_1(self) -> None:
        found = read_truth(DATA_SET)
        assert found.files == ("planted_truth.json",)
        assert not found.has_outages
        assert {role: len(found.with_role(role)) for role in Role} == {
            Role.HEALTHY: 29,
            Role.NEW: 1,
            Role.FLAKY: 3,
            Role.BROKEN: 3,
            Role.SILENT: 2,
            Role.SLOW: 2,
        }
        (incident,) = found.incidents
        assert (incident.scope, incident.entity) == ("platform", "vendor_api")
        assert incident.window.length == 111 * 60
        assert len(incident.pipeline_ids) == 11

    def test_format_2(self, tmp_path: Path) -> None:
        found = truth(
            tmp_path,
            entry("a", outages=[[iso(1), iso(2)]]),
            incidents=[
                {
                    "scope": "client",
                    "platform": None,
                    "client_id": "client1",
                    "started_at": iso(3),
                    "ended_at": iso(4),
                    "pipeline_ids": ["a"],
                }
            ],
        )
        assert found.has_outages
        assert found.range == Interval(at(0).timestamp(), at(30).timestamp())
        assert found.pipelines["a"].outages == (Interval(at(1).timestamp(), at(2).timestamp()),)
        (incident,) = found.incidents
        assert (incident.scope, incident.entity) == ("client", "client1")

    def test_later_batches_replace_pipelines_and_add_windows(self, tmp_path: Path) -> None:
        first = truth_file(entry("a", outages=[[iso(1), iso(2)]]), entry("b"))
        second = truth_file(entry("a", "broken", 20, outages=[[iso(5), iso(6)]]))
        second["range"]["end"] = iso(60)
        tenth = truth_file(entry("c"), entry("a", "silent", 25))
        found = read_truth(
            write(
                tmp_path,
                {
                    "planted_truth_batch10.json": tenth,
                    "planted_truth_batch2.json": second,
                    "planted_truth.json": first,
                },
            )
        )
        assert found.files == (
            "planted_truth.json",
            "planted_truth_batch2.json",
            "planted_truth_batch10.json",
        )
        assert {key: p.role for key, p in found.pipelines.items()} == {
            "a": Role.SILENT,
            "b": Role.HEALTHY,
            "c": Role.HEALTHY,
        }
        assert [window.length for window in found.pipelines["a"].outages] == [86400, 86400]
        assert found.range.end == at(60).timestamp()

    def test_no_truth(self, tmp_path: Path) -> None:
        with pytest.raises(ChmError, match=r"context holds no planted_truth\.json: only a data"):
            read_truth(tmp_path)

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("{", "no JSON"),
            ("[]", "the file: expected keys with values, not "),
            (truth_file(version=3), "format: this version reads 1 and 2, not 3"),
            (truth_file(entry("a", "lazy")), r"pipelines\.0\.role: expected one of 'healthy'"),
            (
                truth_file(entry("a") | {"since": "2026-01-01T00:00:00"}),
                r"pipelines\.0\.since: expected an instant with a UTC offset",
            ),
            (
                truth_file(
                    incidents=[
                        {
                            "scope": "client",
                            "platform": "dbt",
                            "started_at": iso(0),
                            "ended_at": iso(1),
                            "pipeline_ids": [],
                        }
                    ]
                ),
                "one of scope client at 2026-01-01T00:00:00.00:00 does not name it",
            ),
        ],
    )
    def test_a_broken_file_is_named(self, tmp_path: Path, text: Any, message: str) -> None:
        write(tmp_path, {"planted_truth.json": text})
        with pytest.raises(ChmError, match=rf"planted_truth\.json: .*{message}"):
            read_truth(tmp_path)


class TestWindows:
    def test_outages_of_pipelines(self, tmp_path: Path) -> None:
        planted = truth(
            tmp_path,
            # Day 11's run did not fail: the first window is found for 2 of 4 days.
            entry("a", outages=[[iso(10), iso(12)], [iso(20.1), iso(20.9)]]),
            entry("b", "broken", 27),
        )
        found = make_marts("ab", {"a": [10, 11, 15], "b": [27, 28, 29]})
        found = replace(
            found,
            spells=(
                spell("a", 10, 14, 2),
                # One failure is no outage.
                spell("a", 15, 16, 1),
                spell("b", 27, None, 3),
                # Nothing was planted there.
                spell("b", 2, 4, 2),
            ),
        )
        score = evaluate(planted, found).windows[2]
        assert (score.scope, score.planted, score.invisible) == ("pipeline", 2, 1)
        assert (score.found, score.matched) == (3, 2)
        assert (score.detectable, score.detectable_recall) == (2, 1)
        assert score.precision == pytest.approx(2 / 3)
        assert score.recall == 1
        # 2 of 4 days and 3 of 3.
        assert score.mean_iou == pytest.approx(0.75)

    def test_incidents_by_scope(self, tmp_path: Path) -> None:
        keys = "abcdefghij"
        incident = {
            "scope": "platform",
            "platform": "airflow",
            "client_id": None,
            "started_at": iso(14.9),
            "ended_at": iso(15.5),
            "pipeline_ids": list(keys),
        }
        planted = truth(tmp_path, *map(entry, keys), incidents=[incident])
        failed: dict[str, list[float]] = {key: [15] for key in keys}
        scores = {w.scope: w for w in evaluate(planted, make_marts(keys, failed)).windows}
        # All pipelines are of one client and on one platform: the client's is the same window,
        # and only one of the two is found.
        assert scores["platform"].planted == 1
        assert scores["platform"].found + scores["client"].found == 1
        assert scores["client"].recall is None
        assert scores["client"].precision is None
        assert scores["pipeline"].planted == len(keys)
        assert scores["pipeline"].recall == 0
        # Each failed once.
        assert (scores["pipeline"].detectable, scores["pipeline"].detectable_recall) == (0, None)
        assert scores["platform"].detectable == 1
        assert scores["pipeline"].precision is None
        assert scores["pipeline"].mean_iou is None

    def test_what_begins_after_the_clock_is_not_planted(self, tmp_path: Path) -> None:
        planted = truth(
            tmp_path,
            entry("a", "broken", 20),
            entry("b", "silent", 20),
            entry("c", "slow", 20, outages=[[iso(21), iso(22)]]),
        )
        early = replace(make_marts("abc", {"a": [20], "c": [21]}), as_of=at(19))
        scores = evaluate(planted, early)
        assert [window.planted for window in scores.windows] == [0, 0, 0]
        assert [fault.planted for fault in scores.faults] == [0, 0, 0, 0]
        assert scores.not_covered[0].planted == 0


class TestFlakyRanking:
    def test_against_the_naive_ones(self, tmp_path: Path) -> None:
        planted = truth(
            tmp_path, entry("a", "flaky"), entry("b", "flaky"), entry("c"), entry("d", "flaky")
        )
        rows = (
            FlakyRank("a", 1, "flaky", 5, 0.5),
            FlakyRank("b", 2, "flaky", 6, 0.1),
            # Dead: on top of both naive rankings. d has no run in the window: k is 2.
            FlakyRank("c", 3, "broken", 9, 0.9),
        )
        flaky = evaluate(planted, replace(make_marts("abcd"), flaky=rows)).flaky
        assert (flaky.ranked, flaky.k) == (3, 2)
        by_name = {row.ranking: row for row in flaky.rankings}
        assert by_name["q09 flaky_rank"].precision_at_k == 1
        assert by_name["q09 flaky_rank"].ndcg == by_name["q09 flaky_rank"].ndcg_at_k == 1
        # c, b, a and c, a, b: places 2 and 3 instead of 1 and 2.
        for name in ("naive failed_runs_30d", "naive failure_rate_30d"):
            assert by_name[name].precision_at_k == 0.5
            assert by_name[name].ndcg == pytest.approx((0.6309297 + 0.5) / 1.6309297)
            assert by_name[name].ndcg_at_k == pytest.approx(0.6309297 / 1.6309297)

    def test_ties_fall_by_id(self, tmp_path: Path) -> None:
        planted = truth(tmp_path, entry("a", "flaky"), entry("b"))
        rows = (FlakyRank("b", 1, "flaky", 3, 0.1), FlakyRank("a", 2, "flaky", 3, 0.1))
        flaky = evaluate(planted, replace(make_marts("ab"), flaky=rows)).flaky
        assert [row.precision_at_k for row in flaky.rankings] == [0, 1, 1]

    def test_nothing_planted(self, tmp_path: Path) -> None:
        rows = (FlakyRank("a", 1, "flaky", 3, 0.1),)
        planted = truth(tmp_path, entry("a"))
        flaky = evaluate(planted, replace(make_marts("a"), flaky=rows)).flaky
        assert flaky.k == 0
        assert {(r.precision_at_k, r.ndcg_at_k, r.ndcg) for r in flaky.rankings} == {
            (None, None, None)
        }


class TestFaults:
    def test_broken(self, tmp_path: Path) -> None:
        planted = truth(
            tmp_path, entry("a", "broken", 25.5), entry("b", "broken", 29), entry("c", "flaky")
        )
        found = replace(
            make_marts("abc", {"a": [10, 26, 27, 28, 29], "b": [29], "c": [28, 29]}),
            spells=(
                spell("a", 10, 11, 1),
                spell("a", 26, None, 4),
                spell("b", 29, None, 1),
                spell("c", 28, None, 2),
            ),
            flaky=(FlakyRank("a", 1, "broken", 5, 0.2), FlakyRank("b", 2, "unstable", 1, 0.1)),
        )
        triage, by_class = evaluate(planted, found).faults[:2]
        assert (triage.planted, triage.flagged, triage.found) == (2, 2, 1)
        assert (triage.precision, triage.recall) == (0.5, 0.5)
        # The second failed run starts on day 27 and takes an hour: 37 hours after day 25.5.
        assert triage.delay_hours is not None
        assert triage.delay_hours.mean == triage.delay_hours.max == 37
        assert (by_class.precision, by_class.recall, by_class.delay_hours) == (1, 0.5, None)

    def test_silent(self, tmp_path: Path) -> None:
        planted = truth(
            tmp_path,
            entry("a", "silent", 20),
            entry("b", "silent", 29.5),
            entry("c", "broken", 20),
            entry("d", "silent", 20),
            entry("e", "silent", 19.5),
        )
        found = replace(
            make_marts("abcde"),
            # d is not active any more: no standing list shows it, and it counts as not planted.
            pipelines=tuple(
                replace(pipeline, is_monitored=pipeline.pipeline_id != "d")
                for pipeline in make_marts("abcde").pipelines
            ),
            freshness=(
                Freshness("a", "late", at(19), at(19), at(20.5)),
                Freshness("b", "fresh", at(29), at(29), at(30.5)),
                # Late but running.
                Freshness("c", "late", at(29), at(19), at(20.5)),
                # Fails before it falls silent: without a run for 1.5 days on day 20.5.
                Freshness("e", "late", at(19), at(17), at(18.5)),
                Freshness("f", "unknown", None, None, None),
            ),
        )
        silent, late = evaluate(planted, found).faults[2:]
        assert (silent.planted, silent.flagged, silent.found) == (3, 2, 2)
        assert (silent.precision, silent.recall) == (1, pytest.approx(2 / 3))
        assert silent.delay_hours is not None
        assert (silent.delay_hours.mean, silent.delay_hours.max) == (18, 24)
        assert (late.flagged, late.found) == (3, 2)
        # e's data was late before it fell silent: no delay.
        assert late.delay_hours is not None
        assert (late.delay_hours.median, late.delay_hours.max) == (6, 12)

    def test_nothing_planted_is_no_success(self, tmp_path: Path) -> None:
        for fault in evaluate(truth(tmp_path, entry("a")), make_marts("a")).faults:
            assert (fault.planted, fault.precision, fault.recall, fault.delay_hours) == (
                0,
                None,
                None,
                None,
            )


class TestCommand:
    """The command on marts that are made here instead of read."""

    @pytest.fixture
    def invoke(self, monkeypatch: pytest.MonkeyPatch) -> Any:
        def run(folder: Path, found: Marts, *options: str) -> Any:
            monkeypatch.setattr("chm.evaluate.read_marts", lambda _: found)
            result = CliRunner(env={"COLUMNS": "100"}).invoke(
                app, ["evaluate", str(folder), *options]
            )
            if result.exception:
                raise result.exception
            return result.stdout

        return run

    def test_table(self, invoke: Any, tmp_path: Path) -> None:
        folder = write(tmp_path, {"planted_truth.json": truth_file(entry("a", "slow", 3))})
        lines = invoke(folder, make_marts("a")).splitlines()
        assert lines[0] == "the marts as of 2026-01-31 00:00:00 UTC"
        (client,) = [line.split() for line in lines if line.startswith("client")]
        assert client == ["client", "none", "planted", "0", "0", "0", "-", "-", "-", "-"]
        assert "Flaky pipelines: k = none planted, 0 ranked" in [line.strip() for line in lines]
        assert "not covered: slow (1): no mart compares a pipeline's durations" in "\n".join(lines)

    def test_json(self, invoke: Any, tmp_path: Path) -> None:
        folder = write(tmp_path, {"planted_truth.json": truth_file(entry("a"))})
        found = json.loads(invoke(folder, make_marts("a"), "--format", "json"))
        assert found["as_of"] == "2026-01-31T00:00:00Z"
        assert [w["scope"] for w in found["windows"]] == ["platform", "client", "pipeline"]
        assert {w["recall"] for w in found["windows"]} == {None}
        assert found["flaky"]["rankings"][0] == {
            "ranking": "q09 flaky_rank",
            "precision_at_k": None,
            "ndcg_at_k": None,
            "ndcg": None,
        }
        assert {f["role"] for f in found["faults"]} == {"broken", "silent"}

    def test_another_data_set(self, invoke: Any, tmp_path: Path) -> None:
        folder = write(tmp_path, {"planted_truth.json": truth_file(entry("x"), entry("a"))})
        with pytest.raises(ChmError, match=r"'dev' holds another data set .*: 1 of its 2 .*: x\)"):
            invoke(folder, make_marts("a"))

    @pytest.mark.parametrize("day", [0, 33])
    def test_a_clock_outside_the_range(self, invoke: Any, tmp_path: Path, day: float) -> None:
        folder = write(tmp_path, {"planted_truth.json": truth_file(entry("a"))})
        with pytest.raises(ChmError, match=rf"show {iso(day)}, which is outside the range of"):
            invoke(folder, replace(make_marts("a"), as_of=at(day)))

    def test_no_marts(self, duckdb_target: DuckDBTarget) -> None:
        with pytest.raises(ChmError, match=r"warehouse\.duckdb is not there"):
            evaluate_target(DATA_SET, duckdb_target)
