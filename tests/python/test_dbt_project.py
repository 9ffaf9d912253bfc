"""The dbt project keeps its own rules: everything described, contracted, tested and reconciled."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pytest

from chm.contract import load_contract
from chm.contract.reader import read_enum
from chm.project import project_dir
from mart_engine import duckdb_engine, run_dbt

CLOCK = "monitoring_clock"
RECONCILIATION = "tests/reconciliation/"
LINE_LIMITS = {"staging": 40, "marts": 80}
OWNER = {"name": "Data platform team", "email": "data-platform@example.com"}

Node = dict[str, Any]


@dataclass(frozen=True, repr=False)
class Project:
    """What `dbt docs generate` wrote about the project, and the database it is about."""

    manifest: dict[str, Any]
    catalog: dict[str, Any]
    database: Path

    def nodes(self, *kinds: str) -> list[Node]:
        """The nodes of some resource types; there are some of each."""
        pools = (self.manifest[pool] for pool in ("nodes", "sources", "exposures", "unit_tests"))
        found = [node for pool in pools for node in pool.values() if node["resource_type"] in kinds]
        assert {node["resource_type"] for node in found} == set(kinds)
        return found

    def models(self, schema: str) -> list[Node]:
        """The models of one schema."""
        found = [node for node in self.nodes("model") if node["schema"] == schema]
        assert found
        return found

    def generic_tests(self, model: Node, name: str) -> list[Node]:
        """A model's tests of one kind."""
        return [
            test
            for test in self.nodes("test")
            if test.get("attached_node") == model["unique_id"]
            and test["test_metadata"]["name"] == name
        ]

    def reconciliations(self) -> dict[str, Node]:
        """The singular tests that compare marts with staging, by name."""
        return {
            test["name"]: test
            for test in self.nodes("test")
            if test["original_file_path"].startswith(RECONCILIATION)
        }


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    folder = tmp_path_factory.mktemp("project")
    database = folder / "warehouse.duckdb"
    with duckdb_engine(folder):
        pass  # The build is all that is wanted of it.
    result = run_dbt(
        ["docs", "generate", "--target", "dev"], folder, {"CHM_DUCKDB_PATH": str(database)}
    )
    assert result.returncode == 0, result.stdout + result.stderr
    manifest, catalog = (
        json.loads((folder / "target" / name).read_text("utf-8"))
        for name in ("manifest.json", "catalog.json")
    )
    return Project(manifest, catalog, database)


@pytest.fixture
def connection(project: Project) -> Iterator[duckdb.DuckDBPyConnection]:
    """The project's database with one alert rule in staging and in its mart, until rolled back."""
    with duckdb.connect(str(project.database)) as opened:
        opened.execute("begin")
        opened.execute(
            "insert into raw.clients select uuid(), 'Acme', true, now(), now();"
            "insert into raw.alert_rules (id, client_id, rule_type, channel, destination,"
            " is_enabled, created_at, updated_at)"
            " select uuid(), id, 'on_failure', 'slack', '#acme', true, now(), now()"
            " from raw.clients;"
            "insert into marts.dim_alert_rules by name select * from staging.stg_alert_rules"
        )
        yield opened
        opened.execute("rollback")


def test_everything_is_described(project: Project) -> None:
    nodes = project.nodes("model", "source", "seed", "snapshot", "analysis", "exposure")
    assert [node["unique_id"] for node in nodes if not node["description"].strip()] == []


def test_descriptions_begin_with_the_grain(project: Project) -> None:
    nodes = project.nodes("model", "source", "seed", "snapshot")
    assert [
        node["unique_id"] for node in nodes if not re.match(r"One row\b", node["description"])
    ] == []


def test_every_column_is_described_and_no_other(project: Project) -> None:
    nodes = project.nodes("model", "source", "seed", "snapshot")
    entries = {**project.catalog["nodes"], **project.catalog["sources"]}
    assert {node["unique_id"] for node in nodes} == set(entries)
    differences = {}
    for node in nodes:
        described = {
            name for name, column in node["columns"].items() if column["description"].strip()
        }
        found = described ^ set(entries[node["unique_id"]]["columns"])
        if found:
            differences[node["unique_id"]] = sorted(found)
    assert differences == {}


def test_every_mart_has_an_enforced_contract(project: Project) -> None:
    assert [
        mart["name"]
        for mart in project.models("marts")
        if not mart["config"]["contract"]["enforced"]
    ] == []


def test_every_mart_has_a_key_test(project: Project) -> None:
    assert [
        mart["name"]
        for mart in project.models("marts")
        if len(project.generic_tests(mart, "unique_key")) != 1
    ] == []


def test_every_mart_has_a_unit_test(project: Project) -> None:
    tested = {test["model"] for test in project.nodes("unit_test")}
    assert {mart["name"] for mart in project.models("marts")} - tested == set()


def test_every_enum_column_of_a_mart_refers_to_its_seed(project: Project) -> None:
    seeds = {
        read_enum(project_dir() / seed["original_file_path"]).key: seed["name"]
        for seed in project.nodes("seed")
    }
    assert {enum.key for enum in load_contract().enums.values()} <= set(seeds)
    missing = []
    for mart in project.models("marts"):
        referring = {
            (test["column_name"], arguments["field"], arguments["to"])
            for test in project.generic_tests(mart, "relationships")
            for arguments in [test["test_metadata"]["kwargs"]]
        }
        missing += [
            f"{mart['name']}.{column}"
            for column in set(mart["columns"]) & set(seeds)
            if (column, column, f"ref('{seeds[column]}')") not in referring
        ]
    assert missing == []


def test_every_mart_is_read_by_an_exposure_and_nothing_else_is(project: Project) -> None:
    read = {
        key for exposure in project.nodes("exposure") for key in exposure["depends_on"]["nodes"]
    }
    assert read == {mart["unique_id"] for mart in project.models("marts")}


def test_every_exposure_names_its_owner_and_kind(project: Project) -> None:
    for exposure in project.nodes("exposure"):
        assert {key: exposure["owner"][key] for key in OWNER} == OWNER, exposure["name"]
        assert exposure["type"] in ("dashboard", "application"), exposure["name"]


def test_every_mart_is_reconciled(project: Project) -> None:
    reads = {name: test["depends_on"]["nodes"] for name, test in project.reconciliations().items()}
    assert [
        mart["name"]
        for mart in project.models("marts")
        if mart["name"] != CLOCK
        and mart["unique_id"] not in reads.get(f"reconcile_{mart['name']}", [])
    ] == []


def test_reconciliations_bypass_the_intermediate_models(project: Project) -> None:
    intermediate = {model["unique_id"] for model in project.models("intermediate")}
    staging = {model["unique_id"] for model in project.models("staging")}
    for name, test in project.reconciliations().items():
        assert not intermediate & set(test["depends_on"]["nodes"]), name
        assert staging & set(test["depends_on"]["nodes"]), name


def test_reconciliations_are_always_on(project: Project) -> None:
    disabled = [
        key
        for key, nodes in project.manifest["disabled"].items()
        if nodes[0]["original_file_path"].startswith(RECONCILIATION)
    ]
    assert disabled == []
    for name, test in project.reconciliations().items():
        config = test["config"]
        assert (config["severity"], config["error_if"], config["where"], config["limit"]) == (
            "ERROR",
            "!= 0",
            None,
            None,
        ), name


@pytest.mark.parametrize(
    ("change", "difference"),
    [
        ("delete from marts.dim_alert_rules", "missing"),
        ("delete from raw.alert_rules", "unexpected"),
        ("update marts.dim_alert_rules set destination = '#other'", "different"),
        ("update marts.dim_alert_rules set threshold = 1", "different"),
        ("update marts.dim_alert_rules set client_id = null", "different"),
    ],
)
def test_reconcile_finds_what_differs(
    project: Project, connection: duckdb.DuckDBPyConnection, change: str, difference: str
) -> None:
    query = project.reconciliations()["reconcile_dim_alert_rules"]["compiled_code"]
    assert connection.execute(query).fetchall() == []
    connection.execute(change)
    assert connection.sql(query).project("difference").fetchall() == [(difference,)]


def test_analyses_read_marts_and_run(project: Project) -> None:
    marts = {mart["unique_id"] for mart in project.models("marts")}
    with duckdb.connect(str(project.database)) as opened:
        for analysis in project.nodes("analysis"):
            assert set(analysis["depends_on"]["nodes"]) <= marts, analysis["name"]
            opened.execute(analysis["compiled_code"])


def test_only_staging_reads_sources(project: Project) -> None:
    staging = {model["unique_id"] for model in project.models("staging")}
    readers = {
        node["unique_id"]
        for node in project.nodes("model", "snapshot", "analysis", "test")
        # A generic test may well be attached to a source.
        if any(key.startswith("source.") for key in node["depends_on"]["nodes"])
        and not node.get("test_metadata")
    }
    assert readers == staging


def test_no_model_asks_for_the_target(project: Project) -> None:
    asking = [
        node["name"]
        for node in project.nodes("model", "snapshot", "analysis")
        if re.search(r"\btarget\s*\.", node["raw_code"])
    ]
    assert asking == []


@pytest.mark.parametrize(("schema", "limit"), LINE_LIMITS.items())
def test_models_are_short(project: Project, schema: str, limit: int) -> None:
    lines = {
        model["name"]: len((project_dir() / model["original_file_path"]).read_text().splitlines())
        for model in project.models(schema)
    }
    assert {name: count for name, count in lines.items() if count > limit} == {}
