"""The whole path on the frozen data set, on both engines: the commands, the marts, the answers."""

import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from chm.answers import QUESTIONS
from chm.evaluate import evaluate_target
from chm.project import project_dir
from chm.targets import read_target
from compare import Row, differences
from oracle import compute_marts, read_data_set, resolve_clock
from postgres_server import Server, fresh_database
from raw_tables import connect

DATA_SET = project_dir() / "data/synthetic/v1"

Marts = dict[str, list[Row]]


@pytest.fixture(scope="module")
def expected() -> Marts:
    data = read_data_set(DATA_SET)
    return compute_marts(data, resolve_clock(data, "data", datetime.now(UTC)))


@pytest.fixture(scope="module", params=["dev", "prod"])
def demo(
    request: pytest.FixtureRequest, postgres: Server, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, Marts]]:
    """What `chm demo` printed, and the marts that it built."""
    folder = tmp_path_factory.mktemp(request.param)
    with fresh_database(postgres) as name, pytest.MonkeyPatch.context() as patch:
        for key, value in {
            **postgres.environment(name),
            "CHM_DUCKDB_PATH": str(folder / "warehouse.duckdb"),
            "DBT_TARGET_PATH": str(folder / "target"),
            "DBT_LOG_PATH": str(folder / "logs"),
            # No answer may depend on the machine's time zone or language.
            "TZ": "Asia/Kolkata",
            "COLUMNS": "200",
        }.items():
            patch.setenv(key, value)
        printed = run_demo(request.param)
        yield printed, read_marts(request.param)


def run_demo(target: str) -> str:
    result = subprocess.run(
        [Path(sys.executable).with_name("chm"), "demo", DATA_SET, "--target", target],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def read_marts(target: str) -> Marts:
    with connect(read_target(target)) as connection:
        tables = connection.execute(
            "select table_name from information_schema.tables where table_schema = 'marts'"
        ).fetchall()
        marts = {}
        for (table,) in tables:
            cursor = connection.execute(f"select * from marts.{table}")
            names = [column[0] for column in cursor.description]
            marts[table] = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    return marts


def test_every_mart_equals_the_oracle(demo: tuple[str, Marts], expected: Marts) -> None:
    _, marts = demo
    assert set(marts) == set(expected)
    found = {mart: differences(marts[mart], expected[mart]) for mart in expected}
    assert {mart: lines for mart, lines in found.items() if lines} == {}
    # Nothing is equal to nothing: the frozen data set fills every mart.
    assert [mart for mart, rows in marts.items() if not rows] == []


def test_every_question_is_answered_in_the_terminal(demo: tuple[str, Marts]) -> None:
    printed, _ = demo
    for question in QUESTIONS:
        assert question.text in printed
        assert f"marts.{question.mart}" in printed
    for step in ("validate", "load", "check", "dbt build", "total"):
        assert step in printed


def test_the_readme_shows_the_answers_of_the_demo(demo: tuple[str, Marts]) -> None:
    _, marts = demo
    readme = (project_dir() / "README.md").read_text("utf-8")
    for question in QUESTIONS:
        headline = question.headline(marts[question.mart])
        assert f"| `{question.mart}` | {headline} |" in readme


def test_columns_keep_the_order_of_the_contract(demo: tuple[str, Marts], expected: Marts) -> None:
    _, marts = demo
    for mart, rows in expected.items():
        assert list(marts[mart][0])[: len(rows[0])] == list(rows[0]), mart


def test_the_marts_are_scored_against_what_was_planted(
    demo: tuple[str, Marts], request: pytest.FixtureRequest
) -> None:
    assert demo
    target = read_target(request.node.callspec.params["demo"], role="reader")
    scores = evaluate_target(DATA_SET, target)
    platform, client, _ = scores.windows
    assert (platform.planted, platform.found, platform.matched) == (1, 1, 1)
    assert platform.mean_iou == pytest.approx(0.854, abs=0.001)
    assert (client.planted, client.found) == (0, 0)
    assert (scores.flaky.k, scores.flaky.ranked) == (3, 32)
    ranked = [(row.precision_at_k, row.ndcg_at_k) for row in scores.flaky.rankings]
    naive = (pytest.approx(2 / 3), pytest.approx(0.765, abs=0.001))
    assert ranked == [(1, pytest.approx(1)), naive, naive]
    assert [(f.planted, f.flagged, f.found) for f in scores.faults] == [
        (3, 2, 2),
        (3, 1, 1),
        (2, 2, 2),
        (2, 9, 2),
    ]
    assert [(c.name, c.planted) for c in scores.not_covered] == [
        ("slow", 2),
        ("outages of single pipelines", None),
    ]
