"""`chm ingest airflow`: DAG runs over the stable REST API, as Airflow 2.11 and 3.3 answer."""

import json
import shutil
from base64 import b64encode
from datetime import datetime
from pathlib import Path
from urllib.parse import unquote

import pytest
from typer.testing import CliRunner

from chm.cli import app
from chm.errors import ChmError
from chm.ingest.sources.airflow_spool import Spool
from chm.load import load
from chm.targets import DuckDBTarget
from data_sets import PIPELINES, pipeline, valid_data_set, write_data_set
from flaky_server import Answer, Asked, FlakyServer, flaky_server, half, reset, text, value
from raw_tables import contents, execute, query

ANSWERS = json.loads(Path(__file__).with_name("airflow_answers.json").read_text("utf-8"))
ORDERS, BROKEN, SLOW = "acme-airflow-prod-orders", "acme-airflow-prod-broken", "acme.slow"
PASSWORD, TOKEN = "p%ss wörd-123456", "jwt.token.1234567"


class FakeAirflow:
    """Lists DAG runs as the stable API does; what a test changes comes on top."""

    def __init__(self, server: FlakyServer, version: str) -> None:
        self.version = version
        self.answers = ANSWERS[version]
        # By DAG, in the order of their ids in Airflow's database.
        self.runs = {dag: found["dag_runs"] for dag, found in self.answers["dag_runs"].items()}
        # When a run was changed, by its id; not told by the API.
        self.changed: dict[str, str] = {}
        self.most = 100
        self.faults: dict[str, list[Answer]] = {}
        self.server = server
        server.answering = self.answer

    def answer(self, asked: Asked) -> Answer:
        parts = [unquote(part) for part in asked.path.split("/")[1:]]
        if parts == ["auth", "token"] and self.version == "v2":
            right = json.loads(asked.body) == {"username": "me", "password": PASSWORD}
            return value({"access_token": TOKEN}, 201) if right else value({"detail": "no"}, 401)
        if parts[:2] != ["api", self.version]:
            return text("<!DOCTYPE html>", 404)
        if parts[2] == "version":
            return value(self.answers["version"])
        basic = b64encode(f"me:{PASSWORD}".encode()).decode()
        wanted = f"Bearer {TOKEN}" if self.version == "v2" else f"Basic {basic}"
        if asked.headers.get("authorization") not in (wanted, f"Bearer {TOKEN}"):
            status, body = self.answers["nobody"]
            return value(body, status)
        if len(parts) == 3:
            return value(self.page("dags", self.answers["dags"]["dags"], asked))
        dag = parts[3]
        if self.faults.get(dag):
            return self.faults[dag].pop(0)
        if dag not in self.runs:
            status, body = self.answers["unknown_dag"]
            return value(body, status)
        if parts[-1] == "taskInstances":
            assert asked.query["state"] == "failed"
            return value(self.answers["task_instances"])
        since = asked.query.get("updated_at_gte", "")
        found = [run for run in self.runs[dag] if self.changed_at(run) >= since]
        return value(self.page("dag_runs", found, asked))

    def changed_at(self, run: dict) -> str:
        names = ("end_date", "start_date", "queued_at", "logical_date")
        told = [run.get(name) or "" for name in names]
        return self.changed.get(run["dag_run_id"], max(told))

    def page(self, kind: str, entries: list, asked: Asked) -> dict:
        begin = int(asked.query["offset"])
        limit = min(int(asked.query["limit"]), self.most)
        return {kind: entries[begin : begin + limit], "total_entries": len(entries)}

    def asked_for(self, dag: str) -> list[Asked]:
        return [one for one in self.server.asked if one.path.endswith(f"/{dag}/dagRuns")]


BOTH = pytest.mark.parametrize("airflow", ["v1", "v2"], indirect=True)


@pytest.fixture
def airflow(request, monkeypatch):
    """Airflow 3, or the version that the test says."""
    monkeypatch.setattr("chm.ingest.http.sleep", lambda _: None)
    monkeypatch.setenv("CHM_AIRFLOW_USER", "me")
    monkeypatch.setenv("CHM_AIRFLOW_PASSWORD", PASSWORD)
    with flaky_server() as server:
        yield FakeAirflow(server, getattr(request, "param", "v2"))


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory):
    """The file of such a fleet, for copies: to load it again and again would take long."""
    folder = tmp_path_factory.mktemp("warehouse")
    return loaded(DuckDBTarget("dev", folder / "warehouse.duckdb"), folder).path


@pytest.fixture
def fleet(duckdb_target, warehouse):
    shutil.copy(warehouse, duckdb_target.path)
    return duckdb_target


def loaded(target, tmp_path):
    """Pipelines for two of the DAGs, one of another platform, and one that is not active."""
    files = valid_data_set()
    files[PIPELINES] = [
        pipeline(1, external_id=ORDERS),
        pipeline(2, external_id=BROKEN),
        pipeline(3, external_id=SLOW, platform="cron"),
        pipeline(4, external_id="asleep", is_active="false"),
    ]
    load(write_data_set(tmp_path / "fleet", files), target)
    execute(target, "delete from raw.runs")
    return target


@pytest.fixture
def chm(airflow, tmp_path):
    """Run `chm ingest airflow`: exit code, counts, and the message of an error."""

    def run(target, *arguments):
        letters = tmp_path / "dead.jsonl"
        result = CliRunner().invoke(
            app,
            ["ingest", "airflow", "--url", airflow.server.url, "--target", target.name,
             "--format", "json", "--dead-letters", str(letters), *map(str, arguments)],
        )  # fmt: skip
        assert isinstance(result.exception, ChmError | SystemExit | None), result.exception
        message = str(result.exception) if isinstance(result.exception, ChmError) else ""
        told = letters.read_text() if letters.exists() else ""
        for shown in (message, result.output, told, str(contents(target))):
            assert PASSWORD not in shown
            assert TOKEN not in shown
        counts = json.loads(result.stdout) if result.stdout else {}
        return result.exception.exit_code if message else result.exit_code, counts, message

    return run


def stored(target, columns="external_run_id, cast(status as varchar)"):
    return query(target, f"select {columns} from raw.runs order by external_run_id")


def dag_run(number, state="success", hour=1, **fields):
    minutes = f"{number // 60:02}:{number % 60:02}"
    return {
        "dag_run_id": f"run-{number:03}",
        "dag_id": ORDERS,
        "state": state,
        "start_date": f"2026-03-01T{hour:02}:{minutes}Z",
        "end_date": None if state == "running" else f"2026-03-01T{hour + 1:02}:{minutes}Z",
    } | fields


@BOTH
def test_what_airflow_answers_is_stored(target, tmp_path, airflow, chm):
    loaded(target, tmp_path)
    code, counts, _ = chm(target)
    runs = airflow.runs[ORDERS] + airflow.runs[BROKEN]
    assert (code, counts["inserted"], counts["naive_instants"]) == (0, len(runs), 0)
    columns = "external_run_id, status, started_at, finished_at, error_message, payload"
    found = {row[0]: row[1:] for row in query(target, f"select {columns} from raw.runs")}
    assert found.keys() == {run["dag_run_id"] for run in runs}
    words = {"queued": "running"}
    for run in runs:
        status, started_at, finished_at, error, payload = found[run["dag_run_id"]]
        assert status == words.get(run["state"], run["state"])
        told = [
            run[name] and datetime.fromisoformat(run[name]) for name in ("start_date", "end_date")
        ]
        assert [started_at, finished_at] == told
        failed = run["state"] == "failed"
        assert error == ("failed tasks: extract (try 1)" if failed else None)
        kept = payload if isinstance(payload, dict) else json.loads(payload)
        tasks = kept.pop("failed_tasks", [])
        assert [task["task_id"] for task in tasks] == ["extract"] * failed
        assert kept == run | {"conf": dict.fromkeys(run["conf"], "***")}
    assert chm(target)[1]["unchanged"] == len(runs)


@BOTH
def test_the_version_may_be_told(airflow, fleet):
    url = f"{airflow.server.url}/api/{airflow.version}/"
    result = CliRunner().invoke(app, ["ingest", "airflow", "--url", url])
    assert result.exit_code == 0
    assert [one for one in airflow.server.asked if one.path.endswith("/version")] == []
    assert len(stored(fleet)) == len(airflow.runs[ORDERS] + airflow.runs[BROKEN])


@BOTH
def test_a_token_goes_before_user_and_password(airflow, fleet, chm, monkeypatch):
    monkeypatch.setenv("CHM_AIRFLOW_TOKEN", TOKEN)
    assert chm(fleet)[0] == 0
    assert {one.headers.get("authorization") for one in airflow.server.asked} == {f"Bearer {TOKEN}"}


@BOTH
def test_a_wrong_password_is_told(airflow, fleet, chm, monkeypatch):
    monkeypatch.setenv("CHM_AIRFLOW_PASSWORD", "another")
    code, _, message = chm(fleet)
    assert code == 1
    assert "the credentials are missing or not" in message
    assert stored(fleet) == []
    assert len(airflow.server.asked) <= 4


@BOTH
def test_unknown_dags_are_registered_if_wanted(airflow, fleet, chm):
    client = query(fleet, "select name from raw.clients order by id")[0][0]
    code, counts, _ = chm(fleet, "--client", client, "--register", "--dag", "acme.*")
    assert (code, counts["registered_pipelines"], counts["inserted"]) == (0, 1, 2)
    # The runs are the same, however the pipeline is known.
    assert chm(fleet, "--dag", "acme.*")[1]["unchanged"] == 2
    assert chm(fleet, "--client", client, "--dag", "acme.*")[1]["unchanged"] == 2
    assert [one.path for one in airflow.server.asked if ORDERS in one.path] == []


def test_every_page_is_read_however_short(airflow, fleet, chm):
    airflow.runs[ORDERS] = [dag_run(number) for number in range(250)]
    airflow.most = 7
    assert chm(fleet, "--dag", ORDERS)[1]["inserted"] == 250
    assert {one.query["order_by"] for one in airflow.asked_for(ORDERS)} == {"id"}


@BOTH
def test_what_changed_since_the_newest_run_is_read(airflow, fleet, chm):
    airflow.runs[ORDERS] = [dag_run(1, "running", hour=2), dag_run(2, hour=5)]
    chm(fleet, "--dag", ORDERS, "--overlap", 0)
    assert stored(fleet) == [("run-001", "running"), ("run-002", "success")]
    airflow.runs[ORDERS] = [
        dag_run(0, hour=1),
        dag_run(1, "failed", hour=2, end_date="2026-03-01T09:00:00Z"),
        dag_run(2, hour=5),
        dag_run(3, hour=4, end_date="2026-03-01T06:30:00Z", logical_date="2020-01-01T00:00:00Z"),
    ]
    code, counts, _ = chm(fleet, "--dag", ORDERS, "--overlap", 0)
    since = airflow.asked_for(ORDERS)[-1].query["updated_at_gte"]
    assert since == "2026-03-01T06:00:02.000000Z"
    # The oldest one was there before, and did not change.
    assert (code, counts["read"], counts["updated"], counts["inserted"]) == (0, 3, 1, 1)
    assert stored(fleet) == [
        ("run-001", "failed"),
        ("run-002", "success"),
        ("run-003", "success"),
    ]
    assert chm(fleet, "--dag", ORDERS, "--since", "2026-01-01")[1]["inserted"] == 1
    assert airflow.asked_for(ORDERS)[-1].query["updated_at_gte"] == "2026-01-01T00:00:00.000000Z"
    chm(fleet, "--dag", ORDERS)
    assert airflow.asked_for(ORDERS)[-1].query["updated_at_gte"] == "2026-02-28T09:00:00.000000Z"


def test_a_run_that_is_still_to_come_moves_nothing(airflow, fleet, chm):
    future = dag_run(1, end_date="2059-01-01T00:00:00Z")
    airflow.runs[ORDERS] = [future]
    assert chm(fleet, "--dag", ORDERS)[1]["inserted"] == 1
    airflow.runs[ORDERS] = [future, dag_run(2)]
    assert chm(fleet, "--dag", ORDERS)[1]["inserted"] == 1


def test_a_dag_that_breaks_off_leaves_no_gap(airflow, fleet, chm):
    # The first page holds the newest run: were it stored alone, the others would be lost.
    airflow.runs[ORDERS] = [dag_run(0, hour=20), *(dag_run(number) for number in range(1, 5))]
    airflow.most = 2
    good = airflow.answer

    def answer(asked: Asked) -> Answer:
        return value({}, 500) if asked.query.get("offset") == "2" else good(asked)

    airflow.server.answering = answer
    code, counts, message = chm(fleet, "--retries", 1)
    assert (code, counts["read"], counts["inserted"]) == (1, 2, 2)
    assert f"airflow {ORDERS}: " in message
    assert "answered 500, 2 times" in message
    airflow.server.answering = good
    code, counts, _ = chm(fleet, "--overlap", 0)
    assert (code, counts["inserted"]) == (0, 5)


def test_runs_that_are_deleted_meanwhile_hide_none(airflow, fleet, chm):
    airflow.runs[ORDERS] = [dag_run(number) for number in range(6)]
    airflow.most = 2
    good = airflow.answer

    def answer(asked: Asked) -> Answer:
        if asked.query.get("offset") == "2":
            airflow.runs[ORDERS] = airflow.runs[ORDERS][-5:]
        return good(asked)

    airflow.server.answering = answer
    assert chm(fleet, "--dag", ORDERS)[0] == 0
    assert [run for run, _ in stored(fleet)] == [f"run-{number:03}" for number in range(1, 6)]


@BOTH
def test_an_unknown_dag_is_told_and_the_others_are_read(airflow, fleet, chm):
    del airflow.runs[ORDERS]
    code, counts, message = chm(fleet)
    assert counts["inserted"] == 2
    if airflow.version == "v2":
        assert (code, [one["pipeline"] for one in counts["failed_pipelines"]]) == (
            1,
            [f"airflow {ORDERS}"],
        )
        assert "answered 404 Not Found" in message
    else:
        # Airflow 2 lists no runs of a DAG that it does not have.
        assert code == 0


def test_a_flaky_server_is_asked_again(airflow, fleet, chm):
    airflow.faults[ORDERS] = [value({}, 503), reset(), half({"dag_runs": []}), value({}, 429)]
    code, counts, _ = chm(fleet)
    assert (code, counts["inserted"]) == (0, len(airflow.runs[ORDERS] + airflow.runs[BROKEN]))


@pytest.mark.parametrize(
    "answer",
    [[], {"dag_runs": []}, {"dag_runs": [1], "total_entries": 1}, {"total_entries": 0}],
)
def test_an_answer_that_is_no_listing_fails_its_dag(answer, airflow, fleet, chm):
    airflow.faults[ORDERS] = [value(answer)]
    code, counts, message = chm(fleet)
    assert (code, counts["inserted"]) == (1, 2)
    assert "answered no list of dag_runs with its total_entries" in message


def test_few_failed_runs_are_asked_for_their_tasks(airflow, fleet, chm):
    airflow.runs[ORDERS] = [dag_run(number, "failed") for number in range(5)]
    chm(fleet, "--dag", ORDERS, "--explain", 2)
    told = stored(fleet, "error_message is not null")
    assert told == [(False,)] * 3 + [(True,)] * 2
    assert chm(fleet, "--dag", ORDERS, "--explain", 0)[0] == 0


def test_a_run_without_an_id_or_a_state_is_kept(airflow, fleet, chm):
    airflow.runs[ORDERS] = [dag_run(1, None), dag_run(2, "success", start_date="odd")]
    code, counts, _ = chm(fleet, "--dag", ORDERS)
    assert (code, counts["inserted"], counts["refused"]) == (3, 1, 1)
    assert stored(fleet, "cast(status as varchar), status_reason") == [
        ("failed", "the source gave no status")
    ]


def test_without_pipelines_there_is_nothing_to_ask(fleet, chm):
    code, _, message = chm(fleet, "--dag", "nobody-*")
    assert code == 1
    assert "no such active pipeline of platform airflow" in message


def test_a_server_without_the_api_is_told(airflow, fleet, chm):
    airflow.version = "v9"
    code, _, message = chm(fleet)
    assert code == 1
    assert "found no stable REST API of Airflow" in message


def test_a_login_does_not_follow_a_redirect(fleet, monkeypatch):
    monkeypatch.setenv("CHM_AIRFLOW_USER", "me")
    monkeypatch.setenv("CHM_AIRFLOW_PASSWORD", PASSWORD)
    with flaky_server() as server, flaky_server() as other:
        server.then(text("", 307, Location=f"{other.url}/auth/token"))
        arguments = ["ingest", "airflow", "--url", f"{server.url}/api/v2", "--target", fleet.name]
        result = CliRunner().invoke(app, arguments)
        assert "answered 307" in str(result.exception)
        assert other.asked == []


def test_the_spool_orders_by_instant_and_keeps_the_last_of_a_name():
    with Spool() as spool:
        spool.add("b", "2026-01-01T02:00:00+01:00", {"at": 1})
        spool.add("c", None, {"at": 0})
        spool.add("a", "2026-01-01T01:30:00Z", {"at": 9})
        spool.add("a", "2026-01-01T01:30:00Z", {"at": 2})
        assert [one["at"] for one in spool] == [0, 1, 2]
        spool.clear()
        assert list(spool) == []
