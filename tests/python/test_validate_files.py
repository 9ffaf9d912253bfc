"""The files themselves: headers, broken rows, shards, line numbers."""

import csv
import random
import shutil

import duckdb
import pytest

from chm.contract import load_contract
from chm.errors import ChmError
from chm.validate import validate
from chm.validate.reader import open_data_set, typed_select
from data_sets import (
    ALERT_RULES,
    CLIENTS,
    PIPELINES,
    RUNS,
    file_text,
    identifier,
    path_of,
    run,
    valid_data_set,
    write_data_set,
    write_text,
)


def places(report):
    return [(v.file, v.line, v.column, v.rule) for v in report.violations]


def test_a_folder_that_is_not_there_is_one_message(tmp_path):
    with pytest.raises(ChmError, match="nowhere is not a folder"):
        validate(tmp_path / "nowhere")


@pytest.mark.parametrize("name", [CLIENTS, PIPELINES, ALERT_RULES])
def test_a_missing_base_file_is_named_alone(tmp_path, name):
    files = valid_data_set()
    del files[name]
    report = validate(write_data_set(tmp_path, files))
    assert places(report) == [(name, None, None, "R01")]
    assert str(report.violations[0]).startswith(f"{name} R01 is missing: expected ")


def test_a_data_set_may_have_no_run(tmp_path):
    files = valid_data_set()
    del files[RUNS]
    assert validate(write_data_set(tmp_path, files)).violations == ()
    write_text(tmp_path, RUNS, ",".join(run(1)) + "\n")
    report = validate(tmp_path)
    assert report.violations == ()
    assert {file.file: file.rows for file in report.files}[RUNS] == 0


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("id,name,is_active,created_at", ["updated_at R01 is missing in the header"]),
        (
            "id,name,is_active,created_at,updated_at,owner",
            ["owner R01 'owner' is not a column of clients"],
        ),
        (
            "id,name,is_active,created_at,updated_at,name",
            ["name R01 'name' is 2 times in the header"],
        ),
        (
            "ID,name,is_active,created_at,updated_at",
            ["ID R01 'ID' is not a column of clients", "id R01 is missing in the header"],
        ),
        ('"id,name', ["R01 is no header: it has a quoted field that is never closed"]),
        ("", ["R01 is empty: the first line must be the header"]),
    ],
)
def test_a_wrong_header_is_named_and_nothing_that_follows_from_it(tmp_path, header, expected):
    write_data_set(tmp_path, valid_data_set())
    path = path_of(tmp_path, CLIENTS)
    rows = path.read_text().split("\n", 1)[1]
    path.write_text(f"{header}\n{rows}")
    report = validate(tmp_path)
    assert [str(v) for v in report.violations] == [f"{CLIENTS}:1 {text}" for text in expected]


def test_an_empty_file_has_no_header(tmp_path):
    write_data_set(tmp_path, valid_data_set())
    write_text(tmp_path, PIPELINES, b"")
    assert places(validate(tmp_path)) == [(PIPELINES, 1, None, "R01")]


BROKEN_ROWS = [
    (b"only,three,fields", "the row has 3 fields instead of 5"),
    (b"1,2,3,4,5,6", "the row has 6 fields instead of 5"),
    (None, "the row has 6 fields instead of 5"),
    (b" ", "the row has 1 field instead of 5"),
    (b'a,"never closed,true,,', "the row has a quoted field that is never closed"),
    (b'a,"b"c,true,,', "the row has text after a closing quote"),
    (b"a,b\rc,true,,", "the row has a carriage return outside quotes"),
    (b"a,\xff\xfe,true,,", "the row is not valid UTF-8"),
    (b"a,b\0c,true,,", "the row holds a NUL character"),
    (b"a," + b"b" * 2_000_001 + b",true,,", "the row is not CSV: field larger than field limit"),
    (b"," + (b"b" * 900_000 + b",") * 3 + b"x", "the row is longer than 2000000 bytes"),
]


@pytest.mark.parametrize(("row", "message"), BROKEN_ROWS, ids=[m for _, m in BROKEN_ROWS])
@pytest.mark.parametrize("newline", [b"\n", b"\r\n"])
def test_a_broken_row_is_named_and_the_others_are_checked(tmp_path, row, message, newline):
    files = valid_data_set()
    files[CLIENTS][1]["is_active"] = "maybe"
    write_data_set(tmp_path, files)
    lines = path_of(tmp_path, CLIENTS).read_bytes().splitlines()
    # One field too many, but an empty one.
    lines.insert(2, row if row is not None else lines[1] + b",")
    write_text(tmp_path, CLIENTS, newline.join(lines) + newline)
    report = validate(tmp_path)
    assert places(report) == [(CLIENTS, 3, None, "R01"), (CLIENTS, 4, "is_active", "R02")]
    assert report.violations[0].message.startswith(message)


def test_rows_that_could_not_be_read_make_no_orphans(tmp_path):
    files = valid_data_set()
    write_data_set(tmp_path, files)
    lines = path_of(tmp_path, PIPELINES).read_text().splitlines()
    lines[1] += ",extra"
    write_text(tmp_path, PIPELINES, "\n".join(lines))
    assert places(validate(tmp_path)) == [(PIPELINES, 2, None, "R01")]


def test_broken_rows_are_capped_but_all_counted(tmp_path):
    write_data_set(tmp_path, valid_data_set())
    path = path_of(tmp_path, CLIENTS)
    path.write_text(path.read_text() + "broken\n" * 50)
    report = validate(tmp_path, limit=3)
    assert [v.line for v in report.violations] == [5, 6, 7]
    assert report.counts["R01"] == 50


@pytest.mark.parametrize(
    "spelling",
    [
        lambda text: text.encode("utf-8-sig"),
        lambda text: text.replace("\n", "\r\n").encode(),
        lambda text: text.rstrip("\n").encode(),
        lambda text: (text + "\n\n\n").encode(),
        lambda text: (text + "\r\n").encode(),
        lambda text: text.replace("\n", "\n\n").encode(),
        lambda text: text.replace("\n", "\r\n", 3).encode(),
    ],
    ids=["bom", "crlf", "no-end", "blank-end", "mixed-end", "blank-between", "mixed"],
)
def test_spellings_of_a_csv_file_are_the_same_rows(tmp_path, spelling):
    for name, rows in valid_data_set().items():
        write_text(tmp_path, name, spelling(file_text(rows)))
    report = validate(tmp_path)
    assert report.violations == ()
    assert sum(file.rows for file in report.files) == 18


def test_every_field_may_be_quoted_and_a_quoted_empty_one_is_empty(tmp_path):
    files = valid_data_set()
    files[RUNS][1]["status_reason"] = ""
    for name, rows in files.items():
        path = path_of(tmp_path, name)
        path.parent.mkdir(exist_ok=True)
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]), quoting=csv.QUOTE_ALL)
            writer.writeheader()
            writer.writerows(rows)
    assert places(validate(tmp_path)) == [(RUNS, 3, "status_reason", "R14")]


def test_a_line_number_is_where_the_record_starts(tmp_path):
    files = valid_data_set()
    files[RUNS][1]["error_message"] = 'line 2\n\nline 4, "quoted",\r\nline 5'
    files[RUNS][4]["status"] = "lost"
    text = file_text(files[RUNS]).replace("\n" + identifier(3, 4), "\n\n" + identifier(3, 4))
    write_data_set(tmp_path, files)
    write_text(tmp_path, RUNS, text)
    # Header, run 1, run 2 over 4 lines, run 3, a blank line, run 4.
    assert places(validate(tmp_path)) == [(RUNS, 10, "status", "R06")]


def test_a_line_number_is_right_in_a_file_with_a_broken_row_too(tmp_path):
    files = valid_data_set()
    files[RUNS][1]["error_message"] = "line 2\nline 3"
    files[RUNS][4]["status"] = "lost"
    write_data_set(tmp_path, files)
    text = file_text(files[RUNS]).replace(identifier(3, 4), "too,few\n\n" + identifier(3, 4))
    write_text(tmp_path, RUNS, text)
    assert places(validate(tmp_path)) == [(RUNS, 6, None, "R01"), (RUNS, 9, "status", "R06")]


def test_one_missing_quote_does_not_hide_the_rows_below(tmp_path):
    files = valid_data_set()
    files[RUNS][3]["status"] = "lost"
    write_data_set(tmp_path, files)
    write_text(tmp_path, RUNS, file_text(files[RUNS]).replace('""no"""', '""no""'))
    assert places(validate(tmp_path)) == [(RUNS, 3, None, "R01"), (RUNS, 5, "status", "R06")]


def test_shards_are_one_table_with_columns_in_any_order(tmp_path):
    files = valid_data_set()
    second, third = "runs_20260106_batch01.csv", "runs_20260106_batch02_001.csv"
    write_data_set(tmp_path, files)
    rows = [run(7), run(8), run(9, id=identifier(3, 2).upper())]
    write_text(tmp_path, second, file_text(rows, sorted(run(1))))
    # The same external id in another file, of another pipeline: allowed. Of the same: not.
    rows = [run(10, external_run_id="run-1", pipeline_id=identifier(2, 3), rows_processed="200")]
    rows += [run(11, external_run_id="run-1") | {"pipeline_id": identifier(2, 1).upper()}]
    rows[1]["id"] = identifier(3, 11)
    rows[1]["external_run_id"] = "run-8"
    write_text(tmp_path, third, file_text(rows, list(reversed(run(1)))))
    report = validate(tmp_path)
    assert [str(v) for v in report.violations] == [
        f"{second}:4 id R03 '{identifier(3, 2).upper()}' is not unique: used before at {RUNS}:3",
        f"{third}:3 external_run_id R10 'run-8' "
        f"is not unique by (pipeline_id, external_run_id): used before at {second}:3",
    ]
    assert [file.rows for file in report.files if file.table == "runs"] == [6, 3, 2]


def test_a_last_column_that_is_often_empty_is_no_fault(tmp_path):
    files = valid_data_set()
    write_data_set(tmp_path, files)
    columns = sorted(run(1), key=lambda name: name == "error_message")
    write_text(tmp_path, RUNS, file_text(files[RUNS], columns))
    assert validate(tmp_path).violations == ()


def test_a_folder_name_is_no_pattern(tmp_path):
    folder = tmp_path / "day=[1]*'x'"
    write_data_set(folder, valid_data_set())
    write_data_set(tmp_path / "day=[1]*'x'-other", valid_data_set())
    assert validate(folder).violations == ()


def test_other_files_beside_the_folders_are_left_alone(tmp_path):
    write_data_set(tmp_path, valid_data_set())
    (tmp_path / "notes.txt").write_text("not a batch")
    (tmp_path / "batches" / ".runs_1.csv").write_text("hidden")
    assert validate(tmp_path).violations == ()


def test_lines_are_right_in_a_file_of_many_buffers(tmp_path):
    """DuckDB reads large files in parallel pieces; the rows must keep their order."""
    generator = random.Random(7)
    rows, expected, line = [], [], 2
    for number in range(1, 60_001):
        message = "\n".join(
            "x" * generator.randrange(700) for _ in range(generator.randrange(1, 4))
        )
        row = run(number, status="failed", error_message=f"e{message}", status_reason="r")
        if number % 10_000 == 0:
            row["status"] = f"lost-{number}"
            expected.append((RUNS, line, f"lost-{number}"))
        rows.append(row)
        line += 1 + message.count("\n")
    write_data_set(tmp_path, valid_data_set() | {RUNS: rows})
    assert path_of(tmp_path, RUNS).stat().st_size > 40_000_000
    report = validate(tmp_path)
    assert [(v.file, v.line, v.value) for v in report.violations] == expected


def test_typed_select_gives_the_contracts_types(tmp_path):
    write_data_set(tmp_path, valid_data_set())
    with duckdb.connect() as connection:
        data_set = open_data_set(connection, tmp_path)
        assert data_set.fault_count == 0
        for table in load_contract().tables.values():
            described = connection.execute(f"describe {typed_select(table)}").fetchall()
            names = {"timestamptz": "timestamp with time zone", "text": "varchar", "jsonb": "json"}
            assert [(row[0], row[1].lower()) for row in described] == [
                (column.name, names.get(column.sql_type, column.sql_type))
                for column in table.columns
            ]
        runs = load_contract().tables["runs"]
        assert connection.execute(
            f"select external_run_id, epoch(finished_at - started_at), payload->>'attempt' "
            f"from ({typed_select(runs)}) where duration_seconds = 600 and error_message is null "
            "order by 1 limit 1"
        ).fetchall() == [("run-1", 600.0, "1")]


@pytest.mark.parametrize("kind", ["file", "dangling link"])
def test_batches_that_are_no_folder_are_not_taken_for_no_runs(tmp_path, kind):
    folder = write_data_set(tmp_path / "data", valid_data_set())
    shutil.rmtree(folder / "batches")
    if kind == "file":
        (folder / "batches").write_text("")
    else:
        (folder / "batches").symlink_to(tmp_path / "nowhere")
    with pytest.raises(ChmError, match=r"can't read the folder .*batches"):
        validate(folder)
