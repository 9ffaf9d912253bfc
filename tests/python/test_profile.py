"""The profile of a data set: right numbers for any files that can be read, then its charts."""

import csv
import json
import subprocess
import sys
from collections import Counter, defaultdict
from datetime import date, timedelta
from io import StringIO
from pathlib import Path
from time import monotonic
from typing import Any

import duckdb
import pytest
from rich.console import Console
from typer.testing import CliRunner

from chm.cli import app
from chm.errors import ChmError
from chm.profile import compute, profile_data_set
from chm.profile.charts import bar, sparkline
from chm.profile.render import print_profile
from chm.profile.report import Bucket, ClientRuns, Orphans, Profile, Runs, TableSize
from chm.project import project_dir
from data_sets import (
    ALERT_RULES,
    CLIENTS,
    PIPELINES,
    RUNS,
    alert_rule,
    file_text,
    identifier,
    path_of,
    pipeline,
    run,
    valid_data_set,
    write_data_set,
)

DEMO = project_dir() / "data/synthetic/v1"
DAY = date(2026, 1, 5)


def text_of(profile: Profile, width: int = 80) -> str:
    console = Console(file=StringIO(), width=width)
    print_profile(profile, console)
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_a_small_data_set(folder: Path) -> None:
    found = profile_data_set(folder)
    size = {name: path_of(folder, name).stat().st_size for name in valid_data_set()}
    assert found == Profile(
        folder=folder,
        tables=(
            TableSize("clients", 1, 3, size[CLIENTS]),
            TableSize("pipelines", 1, 4, size[PIPELINES]),
            TableSize("runs", 1, 6, size[RUNS]),
            TableSize("alert_rules", 1, 5, size[ALERT_RULES]),
        ),
        orphans=(
            Orphans("pipelines", "client_id", "clients", 0),
            Orphans("runs", "pipeline_id", "pipelines", 0),
            Orphans("alert_rules", "client_id", "clients", 0),
            Orphans("alert_rules", "pipeline_id", "pipelines", 0),
        ),
        statuses={"running": 1, "skipped": 1, "canceled": 1, "success": 2, "failed": 1},
        runs_per_pipeline=(Bucket(0, 0, 1), Bucket(1, 1, 1), Bucket(2, 4, 2)),
        platforms={"airflow": Runs(4, 2, 1), "dbt": Runs(2, 1, 0)},
        days={DAY: {"airflow": Runs(4, 2, 1), "dbt": Runs(2, 1, 0)}},
        undated_runs=0,
        clients=(
            ClientRuns(identifier(1, 1), "Client 1", 3, Runs(4, 2, 1)),
            ClientRuns(identifier(1, 2), "Client 2", 1, Runs(2, 1, 0)),
            ClientRuns(identifier(1, 3), "Client 3", 0, Runs()),
        ),
    )


def test_the_demo_counted_in_plain_python() -> None:
    found = profile_data_set(DEMO, top_clients=3)
    pipelines = {row["id"]: row for row in rows(DEMO / "base/pipelines.csv")}
    runs = [row for path in sorted(DEMO.glob("batches/*.csv")) for row in rows(path)]

    def counted(chosen: list[dict[str, str]]) -> Runs:
        status = Counter(row["status"] for row in chosen)
        return Runs(len(chosen), status["failed"] + status["success"], status["failed"])

    by_client, by_day, by_platform = defaultdict(list), defaultdict(list), defaultdict(list)
    for row in runs:
        its = pipelines[row["pipeline_id"]]
        by_client[its["client_id"]].append(row)
        by_platform[its["platform"]].append(row)
        by_day[date.fromisoformat(row["started_at"][:10]), its["platform"]].append(row)
    assert found.runs == len(runs)
    assert found.platforms == {name: counted(chosen) for name, chosen in by_platform.items()}
    assert {
        (day, name): number for day, names in found.days.items() for name, number in names.items()
    } == {key: counted(chosen) for key, chosen in by_day.items()}
    top = sorted(by_client, key=lambda key: (-len(by_client[key]), key))[:3]
    assert [item.id for item in found.clients] == top
    assert [item.runs for item in found.clients] == [counted(by_client[key]) for key in top]
    per_pipeline = Counter(row["pipeline_id"] for row in runs)
    for bucket in found.runs_per_pipeline:
        assert bucket.pipelines == sum(
            bucket.first <= per_pipeline[key] <= bucket.last for key in pipelines
        )
    assert sum(bucket.pipelines for bucket in found.runs_per_pipeline) == len(pipelines)


def test_orphans_of_every_reference(tmp_path: Path) -> None:
    files = valid_data_set()
    lost = identifier(9, 9)
    files[PIPELINES].append(pipeline(5, client_id=lost))
    files[RUNS] += [run(10, pipeline_id=lost), run(11, pipeline_id=lost), run(12, pipeline_id="")]
    files[ALERT_RULES] += [alert_rule(6, client_id=lost), alert_rule(7, pipeline_id=lost)]
    found = profile_data_set(write_data_set(tmp_path, files))
    assert [orphans.rows for orphans in found.orphans] == [1, 3, 1, 1]
    assert found.platforms["unknown"] == Runs(3, 3, 0)
    text = text_of(found)
    assert "runs.pipeline_id            3  pipelines" in text
    assert "no orphans" not in text


def test_ids_in_upper_case_are_the_same(tmp_path: Path) -> None:
    files = valid_data_set()
    for row in files[RUNS]:
        row["pipeline_id"] = row["pipeline_id"].upper()
    files[CLIENTS][0]["id"] = files[CLIENTS][0]["id"].upper()
    found = profile_data_set(write_data_set(tmp_path, files))
    assert sum(orphans.rows for orphans in found.orphans) == 0


def test_many_batches_with_columns_in_any_order_and_parquet(folder: Path) -> None:
    one = profile_data_set(folder)
    source = path_of(folder, RUNS)
    batch = rows(source)
    turned = list(reversed(list(batch[0])))
    source.write_text(file_text(batch[:2]))
    (folder / "batches/runs_20260105_batch02.csv").write_text(file_text(batch[2:3], turned))
    (folder / "batches/runs_20260105_batch03.csv").write_text(file_text(batch[3:4]))
    third = folder / "rest.csv"
    third.write_text(file_text(batch[4:]))
    parquet = folder / "batches/runs_20260105_batch04.parquet"
    duckdb.sql("set timezone = 'UTC'")
    duckdb.sql(
        f"copy (select cast(pipeline_id as uuid) as pipeline_id, status, "
        f"cast(started_at as timestamptz) as started_at from read_csv('{third}')) to '{parquet}'"
    )
    found = profile_data_set(folder)
    assert found.tables[2].files == 4
    assert found.tables[2].rows == one.tables[2].rows
    assert (found.platforms, found.days, found.clients) == (one.platforms, one.days, one.clients)


def test_an_instant_in_parquet_is_dated_in_utc(folder: Path) -> None:
    path_of(folder, RUNS).unlink()
    parquet = folder / "batches/runs_20260105_batch01.parquet"
    duckdb.sql(
        f"copy (select '{identifier(2, 1)}' as pipeline_id, 'failed' as status, "
        f"timestamptz '2026-01-04T23:30:00-05:00' as started_at) to '{parquet}'"
    )
    assert list(profile_data_set(folder).days) == [DAY]


def test_values_that_no_rule_allows_are_counted_too(tmp_path: Path) -> None:
    files = valid_data_set()
    files[RUNS] += [
        run(10, status="lost", started_at="yesterday"),
        run(11, status="", started_at=""),
        run(12, started_at="2026-01-05"),
    ]
    files[PIPELINES] += [pipeline(1), pipeline(6, platform="spark")]
    files[RUNS].append(run(13, pipeline_id=identifier(2, 6)))
    files[CLIENTS][0]["name"] = "\x1b[31m[bold]"
    found = profile_data_set(write_data_set(tmp_path, files))
    assert found.runs == 10
    assert {name: found.statuses[name] for name in ("", "lost")} == {"": 1, "lost": 1}
    assert found.undated_runs == 2
    assert sum(runs.total for runs in found.platforms.values()) == 10
    assert found.platforms["spark"] == Runs(1, 1, 0)
    assert sum(bucket.pipelines for bucket in found.runs_per_pipeline) == 5
    text = text_of(found)
    assert "2 runs have no start" in text
    assert Bucket(5, 9, 1) in found.runs_per_pipeline
    assert "�[31m[bold]" in text


def test_base_alone_and_batches_alone(folder: Path) -> None:
    path_of(folder, RUNS).unlink()
    found = profile_data_set(folder)
    assert found.tables[2] == TableSize("runs", 0, 0, 0)
    assert (found.runs, found.days, found.undated_runs) == (0, {}, 0)
    assert found.platforms == {"airflow": Runs(), "dbt": Runs()}
    assert found.runs_per_pipeline == (Bucket(0, 0, 4),)
    assert "failed       0" in text_of(found)


def test_batches_alone(folder: Path) -> None:
    for name in (CLIENTS, PIPELINES, ALERT_RULES):
        path_of(folder, name).unlink()
    found = profile_data_set(folder)
    assert found.orphans[1].rows == found.runs == 6
    assert (found.clients, found.runs_per_pipeline) == ((), ())
    assert "no pipelines" in text_of(found)


def test_files_with_a_header_alone(folder: Path) -> None:
    for name, content in valid_data_set().items():
        path_of(folder, name).write_text(",".join(content[0]) + "\n")
    found = profile_data_set(folder)
    assert [size.rows for size in found.tables] == [0, 0, 0, 0]
    assert text_of(found)


def faulty(name: str, content: bytes, message: str) -> Any:
    return pytest.param(name, content, message, id=f"{name} {content[:12]!r}")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        faulty(RUNS, b"", f"{RUNS}:1 expected one column pipeline_id in the header, not 0"),
        faulty(
            CLIENTS, b"id,id\n1,2\n", f"{CLIENTS}:1 expected one column id in the header, not 2"
        ),
        faulty(
            RUNS,
            b"pipeline_id,status,started_at\na,b,c\nd\n",
            f"{RUNS}:3 the row has 1 field instead of 3: nothing can be counted before that is "
            "mended (chm validate tells every fault)",
        ),
        faulty(
            PIPELINES,
            b'id,client_id,platform\na,b,"c\n',
            f"{PIPELINES}:2 the row has a quote that is never closed, or text after one that is: ",
        ),
        faulty(
            CLIENTS,
            b"id,name\na,\xff\n",
            f"{CLIENTS}:2 the row is not UTF-8: nothing can be counted",
        ),
        faulty("runs_1.parquet", b"PAR1", "runs_1.parquet can't be read: "),
        faulty("runs_1.parquet", b"", "runs_1.parquet can't be read: "),
    ],
)
def test_a_broken_file_is_named(folder: Path, name: str, content: bytes, message: str) -> None:
    path_of(folder, name).write_bytes(content)
    with pytest.raises(ChmError) as caught:
        profile_data_set(folder)
    assert message in str(caught.value)
    assert str(folder) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_folder_that_is_no_data_set(tmp_path: Path) -> None:
    with pytest.raises(ChmError, match="holds no data set: expected base"):
        profile_data_set(tmp_path)
    with pytest.raises(ChmError, match="is not a folder"):
        profile_data_set(tmp_path / "nowhere")


def test_a_folder_in_the_place_of_a_file(folder: Path) -> None:
    path_of(folder, CLIENTS).unlink()
    path_of(folder, CLIENTS).mkdir()
    with pytest.raises(ChmError, match=r"clients\.csv can't be read: Is a directory"):
        profile_data_set(folder)


def test_the_progress_is_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chm.profile.compute._POLL_SECONDS", 1e-9)
    told: list[float] = []
    profile_data_set(folder, on_progress=told.append)
    assert told
    assert all(0 <= percent <= 100 for percent in told)


def test_an_interruption_ends_the_query(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Minutes of work, unless it is interrupted.
    endless = (
        "select 'a' as pipeline_id, 'failed' as status, cast(range as varchar) as started_at "
        "from range(2000000000)"
    )
    select_text = compute.select_text
    monkeypatch.setattr(
        compute,
        "select_text",
        lambda connection, paths, columns: (
            endless if "status" in columns else select_text(connection, paths, columns)
        ),
    )

    def interrupt(_percent: float) -> None:
        raise KeyboardInterrupt

    started = monotonic()
    with pytest.raises(KeyboardInterrupt):
        profile_data_set(folder, on_progress=interrupt)
    assert monotonic() - started < 10


@pytest.mark.parametrize(
    ("value", "expected"),
    [(0, ""), (1, "█"), (8, "████████"), (8.5, "████████▌"), (16, "█" * 16), (0.001, "▏")],
)
def test_a_bar_has_eighths(value: float, expected: str) -> None:
    assert bar(value, 16, 16) == expected


def test_a_bar_of_nothing() -> None:
    assert bar(0, 0, 16) == ""


def test_a_sparkline_tells_nothing_from_zero_from_little() -> None:
    assert sparkline([None, 0, 0.001, 0.5, 1], 1) == " ▁▂▅█"
    assert sparkline([0, None], 0) == "▁ "


def days_profile(days: dict[date, dict[str, Runs]]) -> Profile:
    total = sum((runs for names in days.values() for runs in names.values()), start=Runs())
    return Profile(Path(), (), (), {"success": total.total}, (), {"dbt": total}, days, 0, ())


@pytest.mark.parametrize("number", [1, 60, 61, 365])
def test_days_fit_the_width(number: int) -> None:
    # The last of all days is the one that fails.
    failing = {DAY + timedelta(number - 1): {"dbt": Runs(4, 4, 4)}}
    days = {DAY + timedelta(day): {"dbt": Runs(4, 4, 0)} for day in range(number)} | failing
    lines = text_of(days_profile(days)).splitlines()
    line = next(line for line in reversed(lines) if line.startswith(" dbt")).split()[1]
    each = -(-number // 60)
    assert len(line) == -(-number // each)
    assert line == "▁" * (len(line) - 1) + "█"
    runs = next(line for line in lines if line.startswith(" runs a day")).split()[-1]
    assert runs == "█" * len(line)
    assert any(f"{DAY} to {max(days)} (UTC)" in line for line in lines)
    assert max(map(len, lines)) <= 80


def test_a_day_without_runs_is_a_gap() -> None:
    days = {DAY + timedelta(day): {"dbt": Runs(1, 1, 1)} for day in (0, 2)}
    assert "dbt           █ █ " in text_of(days_profile(days))


def test_no_failure_and_years_between_two_runs() -> None:
    days = {date(1, 1, 1): {"dbt": Runs(1, 1, 0)}, date(9999, 12, 31): {"dbt": Runs(1, 0, 0)}}
    assert "0001-01-01 to 9999-12-31" in text_of(days_profile(days))


def invoke(*arguments: object) -> Any:
    return CliRunner().invoke(app, ["profile", *map(str, arguments)])


def test_the_command_prints_every_part(folder: Path) -> None:
    text = invoke(folder, "--clients", "1").stdout
    firsts = [line.strip() for line in text.split("\n\n")]
    heads = ("table ", "no orphans", "status ", "runs per pipeline ", "platform ", "failure rate ")
    assert [first.startswith(head) for first, head in zip(firsts, heads, strict=False)] == [
        True
    ] * 6
    assert "Client 1" in text
    assert "Client 2" not in text


def test_the_command_prints_json(folder: Path) -> None:
    document = json.loads(invoke(folder, "--format", "json").stdout)
    assert document["data_set"] == str(folder)
    assert document["tables"][0] == {
        "table": "clients",
        "files": 1,
        "rows": 3,
        "bytes": path_of(folder, CLIENTS).stat().st_size,
    }
    rates = {"runs": 4, "decided": 2, "failed": 1, "failure_rate": 0.5}
    assert document["platforms"]["airflow"] == rates
    assert document["days"]["2026-01-05"]["airflow"] == rates
    assert document["clients"][2]["failure_rate"] is None
    assert document["runs_per_pipeline"][0] == {"first": 0, "last": 0, "pipelines": 1}
    assert document["orphans"][0]["parent"] == "clients"


def test_a_problem_is_one_message_and_exit_code_1(tmp_path: Path) -> None:
    call = [sys.executable, "-c", "from chm.cli import main; main()", "profile", str(tmp_path)]
    done = subprocess.run(call, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.strip().startswith(f"error: {tmp_path} holds no data set")
