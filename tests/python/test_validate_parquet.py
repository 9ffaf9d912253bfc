"""Batches as Parquet files: the same rules and reports as for CSV, and the same loading."""

import uuid
from dataclasses import replace
from datetime import datetime

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from chm.contract import load_contract
from chm.load import load
from chm.targets import DuckDBTarget
from chm.validate import validate
from chm.validate.reader import open_data_set, typed_select
from data_sets import RUNS, file_text, identifier, path_of, run, valid_data_set, write_data_set

BATCH = "runs_20260105_batch01.parquet"
RUNS_TABLE = load_contract().tables["runs"]

READ = {"uuid": lambda text: uuid.UUID(text).bytes, "integer": int, "bigint": int}
READ["timestamptz"] = datetime.fromisoformat
TYPES = {
    "uuid": pa.uuid(),
    "timestamptz": pa.timestamp("us", "UTC"),
    "integer": pa.int32(),
    "bigint": pa.int64(),
}


def column_of(rows, column, arrow_type=None):
    """The column with its type, or as text if its type is `string`."""
    arrow_type = arrow_type or TYPES.get(column.sql_type, pa.string())
    read = str if arrow_type == pa.string() else READ.get(column.sql_type, str)
    values = [read(row[column.name]) if row[column.name] else None for row in rows]
    return pa.array(values, arrow_type)


def table_of(rows, **arrow_types):
    return pa.table(
        {
            column.name: column_of(rows, column, arrow_types.get(column.name))
            for column in RUNS_TABLE.columns
        }
    )


def write_batch(folder, table, name=BATCH, **options):
    path = path_of(folder, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path, **options)
    return path


def data_set(folder, table):
    files = valid_data_set()
    del files[RUNS]
    write_data_set(folder, files)
    write_batch(folder, table)
    return folder


def messages(folder):
    return [str(violation) for violation in validate(folder).violations]


@pytest.mark.parametrize("ids", [pa.uuid(), pa.string()])
def test_a_typed_batch_is_valid(tmp_path, ids):
    table = table_of(valid_data_set()[RUNS], id=ids, pipeline_id=ids)
    report = validate(data_set(tmp_path, table))
    assert report.violations == ()
    assert {file.file: file.rows for file in report.files}[BATCH] == 6


def test_a_batch_of_texts_alone_is_valid(tmp_path):
    texts = dict.fromkeys(RUNS_TABLE.column_names, pa.string())
    assert messages(data_set(tmp_path, table_of(valid_data_set()[RUNS], **texts))) == []


@pytest.mark.parametrize(
    ("name", "arrow_type"),
    [
        ("started_at", pa.timestamp("ms", "UTC")),
        ("started_at", pa.timestamp("ns", "UTC")),
        ("started_at", pa.timestamp("us", "Europe/Berlin")),
        ("duration_seconds", pa.int64()),
        ("rows_processed", pa.uint32()),
        ("payload", pa.json_()),
        ("status", pa.dictionary(pa.int8(), pa.string())),
        ("error_message", pa.large_string()),
    ],
)
def test_types_that_hold_the_same_values_will_do(tmp_path, name, arrow_type):
    table = table_of(valid_data_set()[RUNS])
    index = RUNS_TABLE.column_names.index(name)
    table = table.set_column(index, name, table.column(name).cast(arrow_type))
    assert messages(data_set(tmp_path, table)) == []


def test_a_column_without_a_value_needs_no_type(tmp_path):
    nothing = {"error_message": pa.null(), "status_reason": pa.null()}
    assert messages(data_set(tmp_path, table_of([run(1)], **nothing))) == []


def test_violations_are_those_of_the_csv_with_the_number_of_the_row(tmp_path):
    rows = valid_data_set()[RUNS]
    rows[0]["rows_processed"] = "-1"
    rows[1]["finished_at"] = "2026-01-05T00:59:59.5Z"
    rows[2]["status"] = "lost"
    rows[3]["id"] = rows[0]["id"]
    rows[4]["pipeline_id"] = identifier(2, 9)
    rows[5]["payload"] = '{"password": "hunter2", }'
    as_csv = validate(write_data_set(tmp_path / "csv", valid_data_set() | {RUNS: rows}))
    as_parquet = validate(data_set(tmp_path / "parquet", table_of(rows)))
    assert as_parquet.counts == as_csv.counts
    assert as_csv.counts["R08"] == 1
    assert [
        replace(
            v,
            file=v.file.replace(RUNS, BATCH),
            line=v.line - 1,
            value=v.value.replace("59.5Z", "59.500000Z"),
            message=v.message.replace(f"{RUNS}:2", f"{BATCH}:1"),
        )
        for v in as_csv.violations
    ] == list(as_parquet.violations)


def test_csv_and_parquet_are_one_table(tmp_path):
    write_data_set(tmp_path, valid_data_set())
    write_batch(
        tmp_path,
        table_of([run(7), run(8, external_run_id="run-1")]),
        "runs_20260106_batch01.parquet",
    )
    assert messages(tmp_path) == [
        f"runs_20260106_batch01.parquet:2 external_run_id R10 'run-1' "
        f"is not unique by (pipeline_id, external_run_id): used before at {RUNS}:2"
    ]


def test_rows_keep_their_numbers_in_a_file_of_many_groups(tmp_path):
    rows = [run(number) for number in range(1, 40_001)]
    for number in (123, 20_500, 39_999):
        rows[number - 1]["status"] = "lost"
    folder = data_set(tmp_path, table_of(rows))
    write_batch(folder, table_of(rows), row_group_size=1000)
    assert [v.line for v in validate(folder).violations] == [123, 20_500, 39_999]


@pytest.mark.parametrize(
    ("name", "arrow_type", "found", "expected"),
    [
        ("started_at", pa.timestamp("us"), "TIMESTAMP", "timestamptz: an instant in UTC"),
        ("duration_seconds", pa.float64(), "DOUBLE", "integer"),
        ("id", pa.binary(), "BLOB", "uuid"),
        ("payload", pa.int64(), "BIGINT", "jsonb"),
    ],
)
def test_a_column_of_another_type_is_named(tmp_path, name, arrow_type, found, expected):
    table = table_of([run(1)])
    index = RUNS_TABLE.column_names.index(name)
    table = table.set_column(index, name, pa.nulls(1, arrow_type))
    assert messages(data_set(tmp_path, table)) == [
        f"{BATCH} {name} R01 has the type {found}, which does not fit {expected}"
    ]


def test_missing_and_unknown_columns_are_named(tmp_path):
    table = table_of([run(1)]).drop_columns(["payload"]).append_column("owner", [["x"]])
    assert messages(data_set(tmp_path, table)) == [
        f"{BATCH} owner R01 'owner' is not a column of runs",
        f"{BATCH} payload R01 is missing in the header",
    ]


@pytest.mark.parametrize("content", [b"", b"id,pipeline_id\n", b"PAR1 and nothing else"])
def test_what_is_no_parquet_file_is_named(tmp_path, content):
    write_data_set(tmp_path, valid_data_set())
    path_of(tmp_path, BATCH).write_bytes(content)
    (message,) = messages(tmp_path)
    assert message.startswith(f"{BATCH} R01 is no readable Parquet file: ")


def test_a_damaged_file_is_named(tmp_path):
    folder = data_set(tmp_path, table_of([run(number) for number in range(1, 2000)]))
    path = path_of(folder, BATCH)
    content = bytearray(path.read_bytes())
    content[100:20_000] = bytes(19_900)
    path.write_bytes(content)
    (message,) = messages(folder)
    assert message.startswith(f"{BATCH} R01 is damaged: ")


def test_a_nul_character_is_named_with_its_row(tmp_path):
    rows = [run(1), run(2, external_run_id="a\0b")]
    assert messages(data_set(tmp_path, table_of(rows))) == [
        f"{BATCH}:2 R01 the row holds a NUL character"
    ]


def test_instants_beyond_the_calendar_break_r07(tmp_path):
    table = table_of([run(1)])
    index = RUNS_TABLE.column_names.index("started_at")
    years = pa.array([9_000_000_000_000_000_000], pa.timestamp("us", "UTC"))
    table = table.set_column(index, "started_at", years)
    (message,) = messages(data_set(tmp_path, table))
    assert " started_at R07 " in message


def test_an_empty_text_is_no_value(tmp_path):
    table = table_of([run(1)])
    for name in ("error_message", "status_reason"):
        index = RUNS_TABLE.column_names.index(name)
        table = table.set_column(index, name, pa.array([""]))
    assert messages(data_set(tmp_path, table)) == []


def test_what_is_loaded_is_what_the_csv_would_load(tmp_path):
    rows = valid_data_set()[RUNS]
    rows[1]["error_message"] = 'Zürich 東京 "x",\n\tend'
    folders = {
        "csv": write_data_set(tmp_path / "csv", valid_data_set() | {RUNS: rows}),
        "parquet": data_set(tmp_path / "parquet", table_of(rows)),
    }
    found = {}
    for name, folder in folders.items():
        with duckdb.connect() as connection:
            connection.execute("set TimeZone = 'Asia/Kolkata'")
            open_data_set(connection, folder)
            query = f"from ({typed_select(RUNS_TABLE)}) order by id"
            found[name, "typed"] = connection.execute(query).fetchall()
        target = DuckDBTarget("dev", tmp_path / f"{name}.duckdb")
        load(folder, target)
        with duckdb.connect(target.path) as connection:
            query = "from raw.runs order by id"
            found[name, "raw"] = connection.execute(query).fetchall()
    assert found["csv", "typed"] == found["parquet", "typed"]
    assert found["csv", "raw"] == found["parquet", "raw"]
    assert len(found["parquet", "raw"]) == 6


@pytest.mark.parametrize(
    "name", ["runs_20260106.csv.gz", "notes.txt", "run_1.csv", "RUNS_1.CSV", "runs_1.csv.part"]
)
def test_a_file_that_is_no_batch_is_refused(tmp_path, name):
    folder = write_data_set(tmp_path, valid_data_set())
    (folder / "batches" / name).write_text(file_text([run(9)]))
    assert messages(folder) == [
        f"{name} R01 is no batch: its name matches neither runs_*.csv nor runs_*.parquet"
    ]
    (folder / "batches" / name).rename(folder / "batches" / f".{name}")
    assert messages(folder) == []


def test_a_folder_among_the_batches_is_refused(tmp_path):
    folder = write_data_set(tmp_path, valid_data_set())
    (folder / "batches" / "2026").mkdir()
    assert messages(folder) == [
        "2026 R01 is no batch: its name matches neither runs_*.csv nor runs_*.parquet"
    ]
