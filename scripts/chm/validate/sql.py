"""SQL expressions that turn the text of a field into its typed value."""

from chm.contract import Column, Contract, Table

_HEX = "[0-9a-fA-F]"
_UUID = f"{_HEX}{{8}}-{_HEX}{{4}}-{_HEX}{{4}}-{_HEX}{{4}}-{_HEX}{{12}}"
# The cast settles the calendar; the pattern what PostgreSQL or the contract would not take:
# no offset, a local one, year 0, hour 24, a leap second, more digits than are stored.
_INSTANT = (
    r"(?:[1-9]\d{3}|0[1-9]\d{2}|00[1-9]\d|000[1-9])-\d{2}-\d{2}"
    r"T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,6})?(?:Z|\+00:00)"
)
_WHOLE_NUMBER = r"[+-]?\d+"

# DuckDB's JSON parser lets through what is no JSON or what PostgreSQL can't hold: NaN and
# Infinity, a trailing comma, the NUL character, numbers and nestings without end.
_JSON_STRING = r'"(?:[^"\\]|\\.)*"'
_JSON_NUL = r"(?:^|[^\\])(?:\\\\)*\\u0000"
_NOT_JSON = r"(?i)nan|inf|,\s*[\]}]|e[+-]?\d{4}"
_TOO_LARGE = r"\d{1000}|(?:[\[{][^\]}]*){1000}"


def literal(text: str) -> str:
    """Return the text as an SQL string."""
    return "'" + text.replace("'", "''") + "'"


def is_blank(text: str) -> str:
    """Return the SQL condition that a text is empty or white space alone."""
    return rf"({text} is null or regexp_full_match({text}, '\s*'))"


def typed_value(contract: Contract, column: Column, text: str) -> str:
    """Return the SQL that reads the field `text` as the column's type, null if it can't be.

    A required text that is white space alone counts as empty.
    """
    if column.enum:
        values = ", ".join(literal(value) for value in contract.enums[column.enum].values)
        return f"case when {text} in ({values}) then {text} end"
    match column.sql_type:
        case "uuid":
            return _cast_where(f"regexp_full_match({text}, '{_UUID}')", text, "uuid")
        case "timestamptz":
            return _cast_where(f"regexp_full_match({text}, '{_INSTANT}')", text, "timestamptz")
        case "integer" | "bigint" as sql_type:
            return _cast_where(f"regexp_full_match({text}, '{_WHOLE_NUMBER}')", text, sql_type)
        case "boolean":
            return f"case lower({text}) when 'true' then true when 'false' then false end"
        case "jsonb":
            return _json_object(text)
        case "text":
            return f"case when not {is_blank(text)} then {text} end" if column.required else text
    raise NotImplementedError(f"column {column.name} has the type {column.sql_type}")


def _cast_where(condition: str, text: str, sql_type: str) -> str:
    return f"case when {condition} then try_cast({text} as {sql_type}) end"


def _json_object(text: str) -> str:
    outside_strings = f"regexp_replace({text}, '{_JSON_STRING}', '\"\"', 'g')"
    # Each branch begins with a cheap test, which spares nearly all payloads the dear one.
    return (
        f"case when not json_valid({text}) or not ltrim({text}, ' \t\r\n') ^@ '{{' then null "
        f"when contains({text}, '\\u0000') and regexp_matches({text}, '{_JSON_NUL}') then null "
        f"when regexp_matches({text}, '{_NOT_JSON}') "
        f"and regexp_matches({outside_strings}, '{_NOT_JSON}') then null "
        f"when strlen({text}) > 1000 and regexp_matches({outside_strings}, '{_TOO_LARGE}') "
        f"then null else {text} end"
    )


def text_of(name: str) -> str:
    """Return the column of `checked_<table>` that holds the field as written, null if empty."""
    return f"_text_{name}"


def is_set(column: Column) -> str:
    """Return the SQL condition that the field holds something that must be well-formed.

    White space alone is an empty field where one is required (R02), elsewhere a malformed one.
    """
    text = text_of(column.name)
    return f"not {is_blank(text)}" if column.required else f"{text} is not null"


def checked_table(table: Table) -> str:
    """Return the name of the view over a source table that has each field typed and as text."""
    return f"checked_{table.name}"


def checked_view(contract: Contract, table: Table, source: str) -> str:
    """Return the statement that makes `checked_<table>`.

    Its columns: `_row` (the rowid of the source table), `_file`, every column of the
    contract typed (null where empty or malformed), and every field as text.
    """
    columns = [
        f"{typed_value(contract, column, f's.{column.name}')} as {column.name}, "
        f"s.{column.name} as {text_of(column.name)}"
        for column in table.columns
    ]
    return (
        f"create or replace temp view {checked_table(table)} as "
        f"select s.rowid as _row, s._file, {', '.join(columns)} from {source} as s"
    )
