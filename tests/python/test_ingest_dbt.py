"""`chm ingest dbt`: an invocation of dbt, of any version, as a run."""

import hashlib
import json

import pytest
from typer.testing import CliRunner

from chm.cli import app
from chm.errors import ChmError
from chm.ingest.sources.dbt import artifact_files, read_dbt
from chm.ingest.sources.dbt_results import judge
from chm.load import load
from raw_tables import query

SECRET = "hunter2Q9zK"
INVOCATION = "d09352a6-04dd-4f4d-a210-f7512e35ce41"


def node(unique_id, status="success", message=None, response=None, **more):
    timing = [
        {
            "name": "execute",
            "started_at": "2026-03-01T02:00:01Z",
            "completed_at": "2026-03-01T02:00:02Z",
        }
    ]
    return {
        "status": status,
        "timing": timing,
        "thread_id": "Thread-1",
        "execution_time": 0.5,
        "adapter_response": response or {},
        "message": message,
        "unique_id": unique_id,
    } | more


MODEL, TEST = node("model.shop.orders"), node("test.shop.unique_orders_id.1a2b", "pass")


def run_results(*results, args=None, elapsed_time=10.5, **metadata):
    return {
        "metadata": {
            "dbt_schema_version": "https://schemas.getdbt.com/dbt/run-results/v6.json",
            "dbt_version": "1.11.16",
            "generated_at": "2026-03-01T02:00:10.750000Z",
            "invocation_id": INVOCATION,
            "env": {},
        }
        | metadata,
        "results": list(results),
        "elapsed_time": elapsed_time,
        "args": {"which": "build", "select": [], "exclude": []} | (args or {}),
    }


def manifest(*nodes, selectors=None, **metadata):
    return {
        "metadata": {"invocation_id": INVOCATION, "project_name": "shop"} | metadata,
        "nodes": {
            unique_id: {"config": {"materialized": materialized}}
            for unique_id, materialized in nodes
        },
        "selectors": selectors or {},
    }


@pytest.fixture
def artifacts(tmp_path):
    """Write a target folder; `None` leaves a file out."""

    def write(results, project=None, name="run_results.json"):
        folder = tmp_path / "project" / "target"
        folder.mkdir(parents=True, exist_ok=True)
        for file, document in ((name, results), ("manifest.json", project)):
            (folder / file).unlink(missing_ok=True)
            if document is not None:
                text = document if isinstance(document, str) else json.dumps(document)
                (folder / file).write_text(text, "utf-8")
        return folder

    return write


@pytest.fixture
def event(artifacts):
    """The only event of a target folder, as it is read."""

    def read(results, project=None, **options):
        (found,) = read_dbt(artifact_files([artifacts(results, project, **options)]))
        return found

    return read


@pytest.fixture
def ingest_dbt(tmp_path):
    def run(target, *arguments):
        letters = tmp_path / "dead.jsonl"
        result = CliRunner().invoke(
            app,
            ["ingest", "dbt", *map(str, arguments), "--target", target.name, "--format", "json",
             "--dead-letters", str(letters)],
        )  # fmt: skip
        if isinstance(result.exception, ChmError):
            raise result.exception
        return result.exit_code, json.loads(result.stdout)

    return run


def statuses(*words):
    return [node(f"model.shop.m{number}", word) for number, word in enumerate(words)]


@pytest.mark.parametrize(
    ("words", "status", "reason"),
    [
        (["success", "pass", "no-op", "reused"], "success", None),
        (["success", "warn"], "success", "1 success, 1 warn"),
        (["success", "error", "skipped", "success"], "failed", "2 success, 1 error, 1 skipped"),
        (["pass", "fail"], "failed", "1 pass, 1 fail"),
        (["Runtime Error"], "failed", "1 Runtime Error"),
        (["partial success"], "failed", "1 partial success"),
        (["success", "cancelled"], "canceled", "1 success, 1 cancelled"),
        (["error", "cancelled"], "failed", "1 error, 1 cancelled"),
        (["skipped", "skipped"], "skipped", "2 skipped"),
        (["success", "skipped"], "success", "1 success, 1 skipped"),
        (["success", "exploded"], "failed", "1 success, 1 exploded"),
        ([None], "failed", "1 without status"),
        ([], "skipped", "no nodes were run"),
    ],
)
def test_statuses(words, status, reason):
    verdict = judge(statuses(*words))
    assert (verdict.status, verdict.status_reason) == (status, reason)
    assert (verdict.error_message is not None) == (status == "failed")


def test_failing_nodes_are_told_a_few_lines_each():
    verdict = judge(
        [
            MODEL,
            node("model.shop.bad", "error", "Runtime Error\n  \x1b[31mno such\x1b[0m column " * 99),
            # Version 1 has the number of failing rows for a message, freshness an error.
            node("test.shop.t", "fail", 12),
            node("source.shop.raw.s", "runtime error", error="no table"),
            *(node(f"model.shop.m{number}", "error") for number in range(9)),
        ]
    )
    lines = verdict.error_message.split("\n")
    assert lines[0].startswith("model shop.bad (error): Runtime Error no such column Runtime")
    assert len(lines[0]) < 540
    assert lines[1:3] == ["test shop.t (fail): 12", "source shop.raw.s (runtime error): no table"]
    assert lines[9:] == ["model shop.m6 (error)", "and 2 more failed"]


@pytest.mark.parametrize(
    ("responses", "rows"),
    [
        ([], None),
        ([{}, {"rows_affected": -1}, {"rows_affected": "many"}, "OK", None], None),
        ([{"rows_affected": 0}], 0),
        ([{"rows_affected": 5}, {"rows_affected": "1,007"}, {"rows_affected": 3.0}, {}], 1015),
        ([{"rows_affected": True}, {"rows_affected": float("inf")}, {"rows_affected": 2}], 2),
    ],
)
def test_rows_are_those_of_models_seeds_and_snapshots(responses, rows):
    kinds = ["model", "seed", "snapshot", "model", "model"]
    results = [
        node(f"{kind}.shop.x", adapter_response=response)
        for kind, response in zip(kinds, responses, strict=False)
    ]
    tests = [node("test.shop.t", "pass", response={"rows_affected": 1})]
    assert judge(results + tests).rows_processed == rows


def test_an_invocation_becomes_a_run(target, folder, artifacts, ingest_dbt):
    load(folder, target)
    failing = node("model.shop.bad", "error", f"could not connect: password={SECRET}")
    document = run_results(
        node("seed.shop.s", response={"rows_affected": 7}),
        failing,
        args={"vars": {"api_key": SECRET}, "invocation_command": f"dbt build --token {SECRET}"},
    )
    path = artifacts(document, manifest())
    arguments = (path, "--client", "Acme", "--register")
    assert ingest_dbt(target, *arguments)[1]["inserted"] == 1
    # The same again, by way of the project's folder.
    assert ingest_dbt(target, path.parent, "--client", "Acme")[1]["unchanged"] == 1
    (row,) = query(
        target,
        "select pipelines.name, cast(platform as varchar), cast(status as varchar), "
        "runs.started_at = timestamptz '2026-03-01 02:00:00.25+00', "
        "finished_at = timestamptz '2026-03-01 02:00:10.75+00', runs.updated_at = finished_at, "
        "duration_seconds, rows_processed, error_message, status_reason, "
        "cast(payload as varchar) "
        "from raw.runs inner join raw.pipelines on pipelines.id = pipeline_id "
        f"where external_run_id = '{INVOCATION}'",
    )
    assert row[:-1] == (
        *("shop", "dbt", "failed", True, True, True, 10, 7),
        "model shop.bad (error): could not connect: password=***",
        "1 success, 1 error",
    )
    assert SECRET not in row[-1]
    kept = json.loads(row[-1])["run_results"]
    assert [result["unique_id"] for result in kept["results"]] == ["seed.shop.s", "model.shop.bad"]
    assert kept["metadata"] == document["metadata"]


def test_a_pipeline_can_be_named(duckdb_target, folder, artifacts, ingest_dbt, tmp_path):
    load(folder, duckdb_target)
    path = artifacts(run_results(MODEL), manifest())
    code, counts = ingest_dbt(duckdb_target, path, "--pipeline", "Pipeline 1")
    assert (code, counts["inserted"]) == (0, 1)
    assert ingest_dbt(duckdb_target, path, "--pipeline", "Pipeline 9")[0] == 3
    assert ingest_dbt(duckdb_target, path)[0] == 3
    letters = (tmp_path / "dead.jsonl").read_text("utf-8").splitlines()
    reasons = [json.loads(letter)["reason"] for letter in letters]
    assert ["'Pipeline 9'" in reasons[0], "external_id 'shop'" in reasons[1]] == [True, True]


def test_the_project_is_found_without_its_name(event):
    hashed = hashlib.md5(b"shop").hexdigest()
    other = node("model.dbt_utils.x")
    nodes = [("model.dbt_utils.x", "view"), ("model.shop.orders", "view")]
    old = manifest(*nodes, project_name=None, project_id=hashed)
    assert event(run_results(other, MODEL), old).fields["external_id"] == "shop"
    assert event(run_results(MODEL, TEST)).fields["external_id"] == "shop"
    assert event(run_results(MODEL), "no json").fields["external_id"] == "shop"
    assert "tells no project" in event(run_results(other, MODEL)).fault


def test_the_first_version_of_the_artifact(event):
    document = run_results(MODEL, elapsed_time=None, invocation_id=None, dbt_version="0.19.0")
    del document["args"], document["metadata"]["generated_at"]
    fields = event(document).fields
    assert (fields["external_run_id"], fields["status"]) == (None, "success")
    assert fields["started_at"] == "2026-03-01T02:00:01+00:00"
    assert fields["finished_at"] == "2026-03-01T02:00:02+00:00"


def test_a_run_of_the_second_engine(event):
    result = {"status": "success", "unique_id": "model.shop.orders", "timing": []}
    fields = event(run_results(result, "odd", dbt_version="2.0.4"), manifest()).fields
    assert fields["status"] == "success"
    assert fields["started_at"] == "2026-03-01T02:00:00.250000+00:00"


@pytest.mark.parametrize("elapsed", [-5, 1e300, "soon", None])
def test_odd_times_are_passed_over(event, elapsed):
    odd = node("model.shop.m", timing=[None, {"started_at": "never", "completed_at": 7}])
    late = node("model.shop.n", timing=[{"started_at": "2026-03-02T00:00:00Z"}])
    fields = event(run_results(odd, late, elapsed_time=elapsed)).fields
    assert fields["started_at"] is None
    assert fields["finished_at"] == "2026-03-01T02:00:10.750000+00:00"


NODES = (
    ("model.shop.orders", "table"),
    ("model.shop.customers", "view"),
    ("model.shop.part", "ephemeral"),
    ("analysis.shop.a", "view"),
)


@pytest.mark.parametrize(
    ("results", "project", "status"),
    [
        (run_results(MODEL), manifest(*NODES), "canceled"),
        (run_results(), manifest(*NODES), "canceled"),
        (run_results(node("model.shop.orders", "error")), manifest(*NODES), "failed"),
        (run_results(MODEL, node("model.shop.customers")), manifest(*NODES), "success"),
        (run_results(MODEL, args={"select": ["orders"]}), manifest(*NODES), "success"),
        (run_results(MODEL, args={"which": "compile"}), manifest(*NODES), "success"),
        (run_results(MODEL, dbt_version="2.0.4"), manifest(*NODES), "success"),
        (run_results(MODEL), manifest(*NODES, invocation_id="another"), "success"),
        (run_results(MODEL), manifest(*NODES, selectors={"s": {"default": True}}), "success"),
        (run_results(MODEL), None, "success"),
    ],
)
def test_an_interrupted_invocation_lacks_nodes(event, results, project, status):
    fields = event(results, project).fields
    assert fields["status"] == status
    if status == "canceled":
        assert "interrupted" in fields["status_reason"]


def test_large_documents_are_shortened(event):
    code = "select 1 " * 1000
    some = [node(f"model.shop.m{number}", compiled_code=code) for number in range(200)]
    kept = event(run_results(*some)).fields["run_results"]
    assert [result["compiled_code"] for result in kept["results"]] == [None] * 200
    assert kept["results"][0]["timing"]
    loud = [one | {"message": code, "compiled_code": None} for one in some]
    kept = event(run_results(*loud)).fields["run_results"]
    assert set(kept["results"][0]) == {
        *("unique_id", "status", "message", "execution_time", "adapter_response"),
    }
    assert len(kept["results"][0]["message"]) == 500
    small = run_results(node("model.shop.m", compiled_code=code))
    assert event(small).fields["run_results"] == small


def test_source_freshness(event):
    document = run_results(node("source.shop.raw.s", "warn"), args=None)
    del document["args"]
    fields = event(document, manifest(), name="sources.json").fields
    assert (fields["status"], fields["status_reason"]) == ("success", "1 warn")


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('{"results": [', "is not JSON: Expecting value"),
        ("[" * 100_000, "is nested too deep"),
        ("[]", "holds no results of dbt"),
        ('{"nodes": {}}', "holds no results of dbt"),
    ],
)
def test_what_is_no_artifact_is_refused(event, text, fault):
    found = event(text)
    assert found.fault.startswith(fault)
    assert list(found.fields) == ["unread"]


def test_a_path_must_hold_an_artifact(tmp_path):
    with pytest.raises(ChmError, match="is not there"):
        artifact_files([tmp_path / "nowhere"])
    with pytest.raises(ChmError, match=r"holds no run_results.json"):
        artifact_files([tmp_path])
