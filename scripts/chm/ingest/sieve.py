"""Prove events to be ordinary rows of raw.runs, and make these, many at a time.

Of an ordinary event chm.ingest.normalise would make the same row. What is not proved is left to
it: it alone knows the rules. Ordinary is an event under the contract's names, without anything
like a secret, with its values spelled as this project spells them.
"""

from functools import cache

import duckdb
import pyarrow as pa

from chm.contract import Column, load_contract
from chm.ingest.event_order import ARRIVAL
from chm.ingest.normalise import MAX_INT
from chm.ingest.redact import SECRET_NAMES
from chm.ingest.resolve import NAMESPACE
from chm.ingest.status_words import status_words

ROW = "_row"
LINE = "line"

# Regular expressions, as RE2 has them. No escape but that of a quote is proved.
_STRING = r'"(?:[^"\\\r\n]|\\")*"'
_NUMBER = r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?"
_SCALAR = rf"{_STRING}|{_NUMBER}|true|false|null"
_ITEMS = rf"\[(?:(?:{_SCALAR})(?:, ?(?:{_SCALAR}))*)?\]"
_PAIR = rf"{_STRING}: ?(?:{_SCALAR}|{_ITEMS})"
# An object whose values are no objects.
_FLAT = rf"\{{(?:{_PAIR}(?:, ?{_PAIR})*)?\}}"
_FIELD = rf"{_STRING}: ?(?:{_STRING}|{_NUMBER}|null|{_FLAT})"
_JSON_LINE = rf"\{{{_FIELD}(?:, ?{_FIELD})*\}}\r?\n?"
# Numbers that Python and DuckDB may spell otherwise: long, tiny or negative zero.
_ODD_NUMBER = r'(?:":|[\[,]) ?(?:-?[0-9]{16}|-?[0-9]+\.[0-9]{5}|-0[^.0-9])'
# The parts of a name that make a secret may be parted by punctuation; not by a quote, which
# ends the name.
_BETWEEN = r'[^a-z0-9"]*'
_DOUBTFUL = "(?i)" + "|".join(
    [_BETWEEN.join(name) for name in SECRET_NAMES] + ["bearer", "://", r'\\(?:[^"]|$)']
)
_UUID = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_INSTANT = (
    r"[12][0-9]{3}-[0-9]{2}-[0-9]{2}[T ](?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]"
    r"(?:\.[0-9]{3}|\.[0-9]{6})?(?:Z|\+00:00)"
)
_DIGITS = {"integer": 9, "bigint": 15}


def sift_json(connection: duckdb.DuckDBPyConnection, lines: pa.Table) -> pa.Table:
    """Return the rows that the ordinary ones of `lines` (ROW, LINE) make, each with its ROW.

    Args:
        connection: one with nothing but temporary tables, in UTC.
        lines: lines of printable ASCII, with what ends them.
    """
    connection.register("chm_lines", lines)
    # A table, so that nothing else looks at lines that may be no JSON.
    connection.execute(
        f"create or replace temp table chm_proved as select {ROW}, {LINE} from chm_lines "
        f"where {_matches(LINE, _JSON_LINE)} and not regexp_matches({LINE}, '{_sql(_DOUBTFUL)}')"
    )
    found = _rows(connection, _json_fields())
    connection.unregister("chm_lines")
    return found


def open_sieve() -> duckdb.DuckDBPyConnection:
    """Return a connection for sift_json; it holds no data between calls."""
    connection = duckdb.connect()
    connection.execute("set TimeZone = 'UTC'")
    return connection


def _rows(connection: duckdb.DuckDBPyConnection, fields: str) -> pa.Table:
    # Of a query in a query DuckDB would read the same JSON for every use of a field.
    connection.execute(f"create or replace temp table chm_fields as {fields}")
    found = connection.execute(_ordinary_rows()).to_arrow_table()
    connection.execute("drop table chm_fields")
    connection.execute("drop table chm_proved")
    return found


def _columns() -> tuple[Column, ...]:
    return load_contract().tables["runs"].columns


@cache
def _json_fields() -> str:
    """A query for the events of chm_proved: of each column its text and `raw_` JSON."""
    columns = _columns()
    paths = ", ".join(f"'$.{column.name}'" for column in columns)
    raws = ", ".join(
        f"cast(found[{number}] as varchar) as raw_{column.name}"
        for number, column in enumerate(columns, start=1)
    )
    names = [column.name for column in columns]
    kinds = " and ".join(
        f"coalesce(starts_with(raw_{column.name}, '\"') or raw_{column.name} = 'null'"
        f"{_other_kinds(column)}, true)"
        for column in columns
    )
    return f"""
        select
            {ROW},
            {", ".join(f"raw_{name}" for name in names)},
            {", ".join(f"{_text_of_raw(name)} as {name}" for name in names)},
            -- Every key is a column, and none is there twice.
            key_count = {" + ".join(f"(raw_{name} is not null)::int" for name in names)}
                and {kinds} as is_of_kinds
        from (
            select {ROW}, key_count, {raws}
            from (
                select
                    {ROW},
                    len(json_keys({LINE})) as key_count,
                    json_extract({LINE}, [{paths}]) as found
                from chm_proved
            )
        )
    """


def _other_kinds(column: Column) -> str:
    raw = f"raw_{column.name}"
    if column.sql_type == "jsonb":
        return f" or starts_with({raw}, '{{')"
    if column.sql_type in _DIGITS:
        return f" or not starts_with({raw}, '{{')"
    return ""


def _text_of_raw(name: str) -> str:
    raw = f"raw_{name}"
    inner = f"substr({raw}, 2, length({raw}) - 2)"
    return (
        f"case when {raw} = 'null' then null "
        f"when starts_with({raw}, '\"') then nullif(replace({inner}, '\\\"', '\"'), '') "
        f"else {raw} end"
    )


@cache
def _ordinary_rows() -> str:
    """A query for the rows of the events that chm_fields has the texts of."""
    columns = [column for column in _columns() if column.name != ARRIVAL]
    instants = [column.name for column in columns if column.sql_type == "timestamptz"]
    numbers = [column for column in columns if column.sql_type in _DIGITS]
    texts = ("external_run_id", "error_message", "status_reason")
    words = " ".join(f"when '{word}' then '{status}'" for word, status in status_words().items())
    tests = [
        "is_of_kinds",
        "external_run_id is not null",
        *(_matches(name, _UUID) for name in ("id", "pipeline_id")),
        "pipeline_id is not null",
        "status_word is not null",
        *(_matches(name, _INSTANT) for name in instants),
        *(f"({name} is null or {name}_value is not null)" for name in instants),
        *(_matches(column.name, f"[0-9]{{1,{_DIGITS[column.sql_type]}}}") for column in numbers),
        *(f"coalesce(trim({name}) = {name}, true)" for name in texts),
        "updated_at_known is not null",
        "coalesce(finished_at_value >= started_at_value, true)",
        f"coalesce(duration_known <= {MAX_INT}, true)",
        "payload_known is not null",
    ]
    values = {
        "id": f"coalesce(id, {_made_id()})",
        "status": "status_word",
        "started_at": "started_at_value",
        "finished_at": "finished_at_value",
        "updated_at": "updated_at_known",
        "created_at": "coalesce(created_at_value, "
        "least(started_at_value, finished_at_value, updated_at_known))",
        "duration_seconds": "cast(duration_known as integer)",
        "rows_processed": "try_cast(rows_processed as bigint)",
        "payload": "payload_known",
    }
    return f"""
        with valued as (
            select
                *,
                {", ".join(f"try_cast({n} as timestamptz) as {n}_value" for n in instants)},
                case status {words} end as status_word,
                case
                    when payload is null then {_canonical()}
                    when payload <> '{{}}'
                        and regexp_full_match(payload, '{_sql(_FLAT)}')
                        and not regexp_matches(payload, '{_sql(_ODD_NUMBER)}')
                    then
                        case
                            when len(json_keys(payload)) = len(list_distinct(json_keys(payload)))
                            then cast(json(payload) as varchar)
                        end
                end as payload_known
            from chm_fields
        ),
        known as (
            select
                *,
                coalesce(updated_at_value, finished_at_value, started_at_value)
                    as updated_at_known,
                coalesce(
                    try_cast(duration_seconds as bigint),
                    (epoch_us(finished_at_value) - epoch_us(started_at_value)) // 1000000
                ) as duration_known
            from valued
        )
        select
            {ROW},
            {", ".join(f"{values.get(c.name, c.name)} as {c.name}" for c in columns)}
        from known
        where {" and ".join(tests)}
    """


def _matches(name: str, pattern: str) -> str:
    return f"coalesce(regexp_full_match({name}, '{_sql(pattern)}'), true)"


def _sql(text: str) -> str:
    return text.replace("'", "''")


def _canonical() -> str:
    """The canonical JSON of the whole event."""
    pairs = [
        f"'\"{name}\":' || raw_{name}" for name in sorted(column.name for column in _columns())
    ]
    return f"'{{' || concat_ws(',', {', '.join(pairs)}) || '}}'"


def _made_id() -> str:
    """What chm.ingest.resolve.made_id makes of a run's identity: a UUID of version 5."""
    name = "'run' || chr(31) || pipeline_id || chr(31) || external_run_id"
    hashed = f"sha1(from_hex('{NAMESPACE.hex}') || encode({name}))"
    variant = f"substr('89ab', cast('0x' || substr({hashed}, 17, 1) as integer) % 4 + 1, 1)"
    return (
        f"cast(cast(substr({hashed}, 1, 12) || '5' || substr({hashed}, 14, 3) || {variant} "
        f"|| substr({hashed}, 18, 15) as uuid) as varchar)"
    )
