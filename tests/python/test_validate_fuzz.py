"""No file, however broken, ends in anything but a report; what is valid can be loaded."""

import json
import tempfile
from pathlib import Path

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chm.contract import load_contract
from chm.validate import check_data_set
from chm.validate.reader import open_data_set, typed_select
from chm.validate.sql import typed_value
from data_sets import (
    CLIENTS,
    PIPELINES,
    RUNS,
    file_text,
    path_of,
    valid_data_set,
    write_data_set,
    write_text,
)

FILES = valid_data_set()
# Bytes that mean something to a CSV reader, to a type or to a terminal.
MARKS = b'," "" \n \r\n \r \0 \xff \\ \' - {} % 1 e9 \xef\xbb\xbf \xed\xa0\x80 \x1b[0m'.split(b" ")
PIECES = st.sampled_from([*MARKS, b",", b" ", "é\u2028".encode()]) | st.binary(max_size=3)


def validated_and_read(folder: Path) -> bool:
    """Validate; if that says valid, read every row with its type, which must not fail."""
    with duckdb.connect(config={"threads": 1}) as connection:
        report = check_data_set(connection, open_data_set(connection, folder))
        assert sum(report.counts.values()) >= len(report.violations)
        for violation in report.violations:
            assert violation.line is None or violation.line >= 1
            assert str(violation).isprintable()
        if report.is_valid:
            for table in load_contract().tables.values():
                connection.execute(typed_select(table)).fetchall()
        return report.is_valid


@st.composite
def mutated_files(draw):
    name = draw(st.sampled_from([CLIENTS, PIPELINES, RUNS]))
    content = file_text(FILES[name]).encode()
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(content)))
        end = min(len(content), start + draw(st.sampled_from([0, 0, 1, 2, 40])))
        content = content[:start] + draw(PIECES) + content[end:]
    return name, content


@settings(max_examples=40, deadline=None)
@given(mutated_files())
def test_a_mutated_file_ends_in_a_report(mutated):
    name, content = mutated
    with tempfile.TemporaryDirectory() as folder:
        write_data_set(Path(folder), FILES)
        write_text(Path(folder), name, content)
        validated_and_read(Path(folder))


@settings(max_examples=20, deadline=None)
@given(st.binary(max_size=200))
def test_random_bytes_end_in_a_report(content):
    with tempfile.TemporaryDirectory() as folder:
        write_data_set(Path(folder), FILES)
        path_of(Path(folder), RUNS).write_bytes(content)
        assert not validated_and_read(Path(folder))


FIELDS = [
    (table.name, column.name)
    for table in load_contract().tables.values()
    for column in table.columns
]
FILE_OF = {name.split("_2")[0].removesuffix(".csv"): name for name in FILES}
VALUES = st.text(max_size=12) | st.sampled_from(
    [
        "2026-01-05T01:00:00Z",
        "9999-12-31T23:59:59.999999Z",
        "0001-01-01T00:00:00Z",
        "+7",
        "-0",
        "99999999999",
        "TRUE",
        "NULL",
        "\\N",
        "{}",
        '{"a": [1e999, "\\u00e9"]}',
        '{"a": -0.0E+5}',
    ]
)


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(FIELDS), VALUES)
def test_a_field_with_any_text_is_refused_or_can_be_loaded(field, value):
    table, column = field
    files = valid_data_set()
    files[FILE_OF[table]][-1][column] = value.encode("utf-8", "ignore").decode()
    with tempfile.TemporaryDirectory() as folder:
        validated_and_read(write_data_set(Path(folder), files))


JSON_MARKS = r'NaN -Infinity inf , " \ \u0000 \ud83d \ude00 e99999 E+5 0 { } [ ] : - + . // true'
JSON_PIECES = st.sampled_from([*JSON_MARKS.split(), " ", "\n", "\x0b", "1" * 999])
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=5,
)


@st.composite
def json_texts(draw):
    value = draw(st.dictionaries(st.text(max_size=3), JSON_VALUES, max_size=3))
    text = json.dumps(value, ensure_ascii=draw(st.booleans()))
    for _ in range(draw(st.integers(0, 2))):
        start = draw(st.integers(0, len(text)))
        text = text[:start] + draw(JSON_PIECES) + text[start + draw(st.integers(0, 1)) :]
    return text


@st.composite
def instant_texts(draw):
    text = draw(st.datetimes()).isoformat() + draw(st.sampled_from(["Z", "+00:00", "", "+01:00"]))
    for _ in range(draw(st.integers(0, 2))):
        start = draw(st.integers(0, len(text)))
        piece = draw(st.sampled_from("0123456789TZ:-+. "))
        text = text[:start] + piece + text[start + draw(st.integers(0, 1)) :]
    return text


TEXTS_OF = {
    "jsonb": json_texts(),
    "timestamptz": instant_texts(),
    "integer": st.from_regex(r"[+-]?[ 0-9.e_]{1,11}", fullmatch=True),
    "bigint": st.from_regex(r"[+-]?[0-9]{17,20}", fullmatch=True),
    "uuid": st.uuids().map(str) | st.from_regex(r"\{?[0-9a-fA-F-]{32,36}\}?", fullmatch=True),
    "boolean": st.sampled_from(["true", "FALSE", "True", "t", "1", "yes", " true"]),
}


@pytest.mark.parametrize("sql_type", TEXTS_OF)
def test_what_has_the_type_in_duckdb_has_it_in_postgresql(postgres, sql_type):
    columns = [column for table in load_contract().tables.values() for column in table.columns]
    column = next(column for column in columns if column.sql_type == sql_type)
    typed = typed_value(load_contract(), column, "text_")
    with duckdb.connect() as duck, postgres.connect() as server:

        @settings(max_examples=200, deadline=None)
        @given(TEXTS_OF[sql_type])
        def check(text):
            found = duck.execute(f"select {typed} from (select ? as text_)", [text]).fetchone()
            if found[0] is not None:
                stored = server.execute(f"select %s::{sql_type}", [text]).fetchone()
                # The engines write the same JSON in different ways.
                assert sql_type == "jsonb" or stored == found

        check()
