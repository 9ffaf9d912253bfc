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


NOT_TAKEN_OVER = {
    "the trigger touched": [
        "create function public.touch() returns trigger language plpgsql "
        "as 'begin return new; end'",
        "create trigger touched before insert on raw.runs "
        "for each row execute function public.touch()",
    ],
    "the rule quiet": ["create rule quiet as on delete to raw.runs do instead nothing"],
    "row security": ["alter table raw.runs enable row level security"],
    "the policy own": ["create policy own on raw.runs using (true)"],
    "the publication feed": ["create publication feed for table raw.runs"],
    "a replica identity": ["alter table raw.runs replica identity full"],
    "the extended statistics both": [
        "create statistics raw.both on status, pipeline_id from raw.runs"
    ],
    "the child table raw.older": ["create table raw.older () inherits (raw.runs)"],
    "the column note": ["alter table raw.runs add column note text"],
    "the foreign key of_run of notes": [
        "create table public.notes (run_id uuid constraint of_run references raw.runs)"
    ],
    "the foreign key of_run of raw.notes": [
        "create table raw.notes (run_id uuid constraint of_run references raw.runs)"
    ],
}


@pytest.mark.parametrize("what", NOT_TAKEN_OVER)
def test_what_a_new_table_can_not_take_over_stops_the_load(
    what, postgres_target, folder, other_folder
):
    load(folder, postgres_target)
    execute(postgres_target, *NOT_TAKEN_OVER[what])
    before = contents(postgres_target), constraints(postgres_target)
    steps = []
    with pytest.raises(ChmError, match=f"raw.runs has .* take over: {what}; nothing was loaded$"):
        load(
            other_folder,
            postgres_target,
            replace=True,
            progress=lambda step, *_: steps.append(step),
        )
    # Before any row was copied.
    assert not [step for step in steps if step.startswith("loading")]
    assert (contents(postgres_target), constraints(postgres_target)) == before
    # A batch is added to the table that is there.
    load(folder, postgres_target, append=True)


def test_the_tables_of_another_owner_stop_the_load(postgres_target, folder, reader):
    load(folder, postgres_target)
    execute(
        postgres_target,
        f"alter role {reader} login password 'secret'",
        f"grant all on schema raw to {reader}",
        f"grant all on all tables in schema raw to {reader}",
        *(f"alter type raw.{key} owner to {reader}" for key in enum_types(postgres_target)),
    )
    before = contents(postgres_target)
    as_other = replace(postgres_target, user=reader, password="secret")
    with pytest.raises(ChmError, match=r"the owner \w+, of which this role is no member; nothing"):
        load(folder, as_other, replace=True)
    assert contents(postgres_target) == before
    execute(
        postgres_target,
        *(f"alter type raw.{key} owner to current_user" for key in enum_types(postgres_target)),
    )


def enum_types(target):
    return [
        name
        for (name,) in query(
            target,
            "select typname from pg_type "
            "where typnamespace = 'raw'::regnamespace and typtype = 'e'",
        )
    ]


def test_settings_of_others_stay(postgres_target, folder, other_folder):
    load(folder, postgres_target)
    execute(
        postgres_target,
        "alter table raw.runs alter column ingested_at set default now()",
        "alter table raw.runs alter column rows_processed set default 7",
        "alter table raw.clients alter column is_active set default true",
        "alter table raw.runs set (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05)",
    )
    settings = (
        "select relname, attname, attnotnull, pg_get_expr(adbin, adrelid), reloptions "
        "from pg_class inner join pg_attribute on attrelid = pg_class.oid "
        "left join pg_attrdef on adrelid = attrelid and adnum = attnum "
        "where relnamespace = 'raw'::regnamespace and relkind = 'r' and attnum > 0 order by 1, 2"
    )
    held = query(postgres_target, settings)
    for data in (other_folder, folder):
        load(data, postgres_target, replace=True)
        assert query(postgres_target, settings) == held


def test_a_not_null_rule_of_others_is_kept(postgres_target, folder):
    load(folder, postgres_target)
    execute(
        postgres_target,
        "update raw.pipelines set description = 'none' where description is null",
        "alter table raw.pipelines alter column description set not null",
    )
    before = contents(postgres_target), constraints(postgres_target)
    with pytest.raises(ChmError, match=r"column .description. .* contains null values; nothing"):
        load(folder, postgres_target, replace=True)
    assert (contents(postgres_target), constraints(postgres_target)) == before


def test_a_table_of_others_with_the_name_of_a_work_table_stays(
    postgres_target, folder, other_folder
):
    load(folder, postgres_target)
    execute(
        postgres_target,
        "create table raw.chm_new_runs as select 1 as n",
        "create table raw.run_ as select 2 as n",
    )
    before = contents(postgres_target), constraints(postgres_target)
    for mode in ("replace", "append"):
        with pytest.raises(ChmError, match=r"raw.chm_new_runs is not of chm load.*rename it"):
            load(other_folder, postgres_target, **{mode: True})
    assert (contents(postgres_target), constraints(postgres_target)) == before
    assert query(postgres_target, "select n from raw.chm_new_runs") == [(1,)]
    execute(postgres_target, "alter table raw.chm_new_runs rename to mine")
    load(other_folder, postgres_target, replace=True)
    assert query(postgres_target, "select * from raw.mine, raw.run_") == [(1, 2)]


def test_an_added_column_stops_the_load_on_duckdb(duckdb_target, folder):
    load(folder, duckdb_target)
    execute(duckdb_target, "alter table raw.clients add column note text")
    before = contents(duckdb_target)
    with pytest.raises(ChmError, match=r"raw.clients has .*the column note; nothing was loaded"):
        load(folder, duckdb_target, replace=True)
    assert contents(duckdb_target) == before


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
