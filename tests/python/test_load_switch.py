"""The switch on PostgreSQL: what hangs on the old tables hangs on the new ones afterwards."""

import secrets
from dataclasses import replace

import psycopg
import pytest

from chm.errors import ChmError
from chm.load import load
from raw_tables import constraints, contents, execute, query

OTHER_TABLES = """
    select tablename from pg_tables
    where schemaname = 'raw'
        and tablename not in ('clients', 'pipelines', 'runs', 'alert_rules')
    """
VIEWS = (
    "create schema staging",
    "create view staging.runs as select * from raw.runs",
    "create view staging.busy as select p.*, count(*) as runs from raw.pipelines as p "
    "inner join raw.runs as r on r.pipeline_id = p.id group by p.id",
    "create materialized view staging.kept as select count(*) as n from staging.runs",
)


@pytest.fixture
def reader(postgres_target):
    name = f"reader_{secrets.token_hex(4)}"
    execute(postgres_target, f"create role {name}")
    yield name
    execute(postgres_target, f"drop owned by {name}", f"drop role {name}")


def run_ids(target, relation="raw.runs"):
    return sorted(query(target, f"select external_run_id from {relation}"))


def test_views_show_the_new_rows_load_after_load(postgres_target, folder, other_folder):
    load(folder, postgres_target)
    constrained = constraints(postgres_target)
    execute(postgres_target, *VIEWS)
    for data in (other_folder, folder, other_folder):
        load(data, postgres_target, replace=True)
        assert run_ids(postgres_target, "staging.runs") == run_ids(postgres_target)
    assert query(postgres_target, "select runs from staging.busy") == [(2,)]
    execute(postgres_target, "refresh materialized view staging.kept")
    assert query(postgres_target, "select n from staging.kept") == [(2,)]
    # One stand-in for each table that has a view, however many loads.
    assert len(query(postgres_target, OTHER_TABLES)) == 2
    execute(
        postgres_target,
        "delete from raw.alert_rules",
        "delete from raw.runs",
        "insert into raw.runs select * from staging.runs",
    )
    assert run_ids(postgres_target, "staging.runs") == []
    execute(postgres_target, "drop schema staging cascade")
    load(folder, postgres_target, replace=True)
    assert query(postgres_target, OTHER_TABLES) == []
    assert constraints(postgres_target) == constrained


def test_the_loader_needs_no_right_on_the_views(postgres_target, folder, other_folder, reader):
    """The role that loads owns raw alone; the views are another's, and read as that one."""
    loader = f"loader_{secrets.token_hex(4)}"
    execute(
        postgres_target,
        f"create role {loader} login password 'secret'",
        f"create schema raw authorization {loader}",
        f"create schema staging authorization {reader}",
        f"grant usage on schema raw to {reader}",
        f"alter default privileges for role {loader} in schema raw grant select on tables "
        f"to {reader}",
    )
    try:
        as_loader = replace(postgres_target, user=loader, password="secret")
        load(folder, as_loader)
        execute(
            postgres_target,
            f"set role {reader}",
            "create view staging.runs as select * from raw.runs",
        )
        for data in (other_folder, folder):
            load(data, as_loader, replace=True)
            assert run_ids(postgres_target, "staging.runs") == run_ids(postgres_target)
        # Whoever else loads, the tables stay the loader's.
        load(other_folder, postgres_target, replace=True)
        load(folder, as_loader, replace=True)
    finally:
        execute(postgres_target, "drop schema staging cascade", f"drop owned by {loader} cascade")
        execute(postgres_target, f"drop role {loader}")


def test_views_made_between_loads_are_all_kept(postgres_target, folder, other_folder):
    load(folder, postgres_target)
    execute(postgres_target, "create view public.first as select * from raw.runs")
    load(other_folder, postgres_target, replace=True)
    execute(postgres_target, "create view public.second as select * from raw.runs")
    load(folder, postgres_target, replace=True)
    for view in ("public.first", "public.second"):
        assert run_ids(postgres_target, view) == run_ids(postgres_target)
    execute(postgres_target, "drop view public.first")
    load(other_folder, postgres_target, replace=True)
    assert run_ids(postgres_target, "public.second") == run_ids(postgres_target)
    assert len(query(postgres_target, OTHER_TABLES)) == 1


def test_nothing_is_written_through_a_view_past_the_constraints(postgres_target, folder):
    load(folder, postgres_target)
    execute(postgres_target, "create view public.runs as select * from raw.runs")
    load(folder, postgres_target, replace=True)
    with pytest.raises(psycopg.errors.CheckViolation):
        execute(
            postgres_target,
            "create table public.copied as select * from raw.runs",
            "insert into public.runs select * from public.copied",
        )


def test_grants_and_comments_stay(postgres_target, folder, other_folder, reader):
    load(folder, postgres_target)
    execute(
        postgres_target,
        f"grant select on raw.clients to {reader} with grant option",
        f"grant select (id, status) on raw.runs to {reader}",
        f"alter default privileges in schema raw grant insert on tables to {reader}",
        "comment on table raw.runs is 'it''s the runs'",
        "comment on column raw.runs.status is 'the status'",
    )
    grants = (
        "select relname, attname, coalesce(attacl::text, relacl::text) from pg_class "
        "inner join pg_attribute on attrelid = pg_class.oid "
        "where relnamespace = 'raw'::regnamespace and relkind = 'r' and attnum > 0 order by 1, 2"
    )
    comments = (
        "select col_description('raw.runs'::regclass, 4), obj_description('raw.runs'::regclass)"
    )
    load(other_folder, postgres_target, replace=True)
    held = query(postgres_target, grants)
    assert query(postgres_target, comments) == [("the status", "it's the runs")]
    for relation, right, is_held in (
        ("raw.clients", "select with grant option", True),
        ("raw.runs", "select", False),
        ("raw.clients", "insert", False),
    ):
        found = query(
            postgres_target, f"select has_table_privilege('{reader}', '{relation}', '{right}')"
        )
        assert found == [(is_held,)]
    assert query(
        postgres_target, f"select has_column_privilege('{reader}', 'raw.runs', 'status', 'select')"
    ) == [(True,)]
    load(folder, postgres_target, replace=True)
    assert query(postgres_target, grants) == held


def test_constraints_and_indexes_of_others_stay(postgres_target, folder, other_folder):
    load(folder, postgres_target)
    execute(
        postgres_target,
        "create table public.kinds (status raw.status primary key)",
        "insert into public.kinds select unnest(enum_range(null::raw.status))",
        "create index newest on raw.runs (started_at desc) where status = 'failed'",
        "create unique index run_names on raw.runs (lower(external_run_id))",
        "alter table raw.runs add constraint run_number_is_set check (external_run_id <> '')",
        "alter table raw.runs add constraint kind foreign key (status) references public.kinds",
        "alter table raw.clients add constraint one_name unique (name, id)",
        "alter table raw.runs add constraint again foreign key (pipeline_id) "
        "references raw.pipelines (id)",
    )
    constrained = constraints(postgres_target)
    for data in (other_folder, folder):
        load(data, postgres_target, replace=True)
        assert constraints(postgres_target) == constrained


def test_what_a_new_table_can_not_take_over_stops_the_load(postgres_target, folder, other_folder):
    load(folder, postgres_target)
    execute(
        postgres_target,
        "create table public.notes (run_id uuid constraint of_run references raw.runs)",
    )
    before = contents(postgres_target), constraints(postgres_target)
    with pytest.raises(ChmError, match="the foreign key of_run of notes; nothing was loaded"):
        load(other_folder, postgres_target, replace=True)
    assert (contents(postgres_target), constraints(postgres_target)) == before


def test_a_reader_that_does_not_end_stops_the_load(
    postgres_target, folder, other_folder, monkeypatch
):
    monkeypatch.setattr("chm.load.postgres_loader.LOCK_TIMEOUT_SECONDS", 1)
    load(folder, postgres_target)
    before = contents(postgres_target), constraints(postgres_target)
    with psycopg.connect(**postgres_target.conninfo) as reader:
        reader.execute("select * from raw.runs")
        with pytest.raises(ChmError, match="others go on reading"):
            load(other_folder, postgres_target, replace=True)
        assert reader.execute("select count(*) from raw.runs").fetchone() == (6,)
    assert (contents(postgres_target), constraints(postgres_target)) == before
