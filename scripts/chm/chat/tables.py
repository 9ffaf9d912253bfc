"""Turn the blocks of an answer into tables, each row with its line of the answer."""

import re
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from chm.chat.fences import Block, Line, UnclosedFence, find_blocks, split_lines
from chm.chat.headers import (
    column_names,
    misfit,
    other_separator,
    resembles_header,
    table_of,
)
from chm.contract import Contract, Table
from chm.credentials import presentable
from chm.validate import Violation
from chm.validate.records import Record, read_records

_CSV_LABEL = re.compile(r"(?i)(?<![a-z])[ct]sv(?![a-z])")
# Labels that say nothing about the content; any other names a language.
_PLAIN_LABELS = {"", "text", "txt", "plain", "plaintext", "table", "data", "dataset", "output"}
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_ROW_FIELDS = 4
# A title over a table, such as "# clients.csv": no row, and not "# 38 more clients" either.
_TITLE = re.compile(r"\s*(?:(?:#|//|--|<!--|\*\*).*|[\w./ -]*(?:csv|Copy(?: code)?):?\s*)")
_LEFT_OUT = re.compile(r"(?i)\.\.\.|…|\b(?:more|remaining|omitted|truncated|continue[sd]?|etc)\b")
_TIGHT_COMMA = re.compile(r",(?! )")
_BLANK = re.compile(r"\s*")
_MARKDOWN_TABLE = "a Markdown table: only CSV is imported"
_MARKDOWN_ROW = re.compile(r"\s*\|.*\|\s*")


@dataclass(frozen=True)
class ChatRow:
    """A row that starts at line `line` of its answer.

    Its fields are in the contract's order if there are as many as columns; `problem` says why
    they could not be read.
    """

    line: int
    fields: tuple[str, ...]
    problem: str | None = None


@dataclass(frozen=True)
class ChatTable:
    """Rows of one table under a header at line `line` of the answer `file`."""

    file: str
    line: int
    table: Table
    rows: tuple[ChatRow, ...]


@dataclass(frozen=True)
class PassedOver:
    """Something in an answer that looks like data and is none, and why it was left."""

    file: str
    line: int
    reason: str


@dataclass(frozen=True)
class Answer:
    """What was found in an answer: tables, what was passed over, what bars an import."""

    tables: tuple[ChatTable, ...]
    passed_over: tuple[PassedOver, ...]
    faults: tuple[Violation, ...]


Found = ChatTable | PassedOver | Violation


def read_answer(contract: Contract, file: str, text: str) -> Answer:
    """Return the tables in an answer of a chat model; `file` names it in every message."""
    found: list[Found] = []
    for block in find_blocks(split_lines(text)):
        if isinstance(block, UnclosedFence):
            found.append(_unclosed(file, block))
        elif block.is_fenced:
            found += _fenced(contract, file, block)
        else:
            found += _prose(contract, file, block)
    return Answer(
        tables=tuple(item for item in found if isinstance(item, ChatTable)),
        passed_over=tuple(item for item in found if isinstance(item, PassedOver)),
        faults=tuple(item for item in found if isinstance(item, Violation)),
    )


def _unclosed(file: str, fence: UnclosedFence) -> Violation:
    if fence.seen_at is not None:
        end = f"when another one opens at line {fence.seen_at}"
    else:
        end = "at the end: the answer is cut off, ask the chat model to continue or to repeat it"
    return _fault(file, fence.opened_at, f"the fence that opens here is still open {end}")


def _fault(file: str, line: int, message: str, value: str | None = None) -> Violation:
    shown = None if value is None else presentable(value)
    return Violation(file, line, None, "R01", shown, message)


def _fenced(contract: Contract, file: str, block: Block) -> Iterator[Found]:
    records = _records(block.lines)
    is_csv = _CSV_LABEL.search(block.label) is not None or block.label.lower() in contract.tables
    is_plain = block.label.split(" ", 1)[0].lower() in _PLAIN_LABELS
    name = f"block {block.label!r}" if block.label else "block without a label"
    if not records:
        yield PassedOver(file, block.opened_at, f"{name}: empty")
        return
    if _starts_with_header(contract, records, exact=not (is_csv or is_plain)):
        yield from _tables(contract, file, records)
        return
    first = records[0]
    separator = other_separator(contract, ",".join(first.fields))
    row = next(filter(_is_row, records), None)
    # Without a label that says CSV, bars make a Markdown table, which may explain something.
    if separator and (is_csv or (is_plain and separator != "bars")):
        yield _fault(file, first.line, f"the fields are separated by {separator}, not by commas")
    elif row is not None and (is_plain or (is_csv and row is first)):
        text = ",".join(row.fields)
        yield _fault(file, row.line, "the row has no header over it: every block needs one", text)
    elif is_csv:
        value = ",".join(first.fields) or None
        yield _fault(file, first.line, first.problem or misfit(contract, first.fields), value)
    elif separator:
        yield PassedOver(file, block.opened_at, f"{name}: {_MARKDOWN_TABLE}")
    else:
        yield PassedOver(file, block.opened_at, f"{name}: no table")


def _prose(contract: Contract, file: str, block: Block) -> Iterator[Found]:
    """Find tables without a fence, from a header to the blank line before the next prose."""
    lines = list(block.lines)
    index = 0
    while index < len(lines):
        line = lines[index]
        fields = line.text.split(",")
        if len(fields) >= _ROW_FIELDS and resembles_header(contract, fields):
            end = _end_of_rows(contract, lines, index)
            yield from _tables(contract, file, _records(lines[index:end]))
            index = end
            continue
        if len(fields) >= _ROW_FIELDS and _UUID.fullmatch(fields[0].strip(' "')):
            yield _fault(file, line.number, "the row stands outside any table")
        elif _MARKDOWN_ROW.fullmatch(line.text) and other_separator(contract, line.text):
            yield PassedOver(file, line.number, _MARKDOWN_TABLE)
        index += 1


def _end_of_rows(contract: Contract, lines: Sequence[Line], start: int) -> int:
    """Return the index behind the last row; inside quotes nothing ends a table."""
    quotes, end = 0, start
    for index in range(start, len(lines)):
        text = lines[index].text
        if not text.strip() or quotes % 2:
            quotes += text.count('"')
            continue
        is_after_blank = index > start and not lines[index - 1].text.strip()
        fields = text.split(",")
        goes_on = (
            _UUID.fullmatch(fields[0].strip(' "'))
            or resembles_header(contract, fields)
            or _LEFT_OUT.fullmatch(text.strip())
            # Prose has commas too, but with a blank behind them.
            or len(_TIGHT_COMMA.split(text)) >= len(lines[start].text.split(","))
        )
        if is_after_blank and not goes_on:
            return end
        quotes += text.count('"')
        end = index + 1
    return len(lines) if quotes % 2 else end


def _records(lines: Sequence[Line]) -> list[Record]:
    """Read lines as CSV; the records bear the lines of the answer."""
    if not lines:
        return []
    text = "\n".join(line.text for line in lines) + "\n"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "block.csv")
        path.write_bytes(text.encode("utf-8", "surrogateescape"))
        return [
            Record(lines[record.line - 1].number, record.fields, record.problem)
            for record in read_records(path)
            if record.problem
            or not all(map(_BLANK.fullmatch, record.fields[:1]))
            or len(record.fields) > 1
        ]


def _is_row(record: Record) -> bool:
    return len(record.fields) >= _ROW_FIELDS and bool(_UUID.fullmatch(record.fields[0].strip()))


def _is_title(record: Record) -> bool:
    text = ",".join(record.fields)
    return bool(_TITLE.fullmatch(text)) and not _LEFT_OUT.search(text)


def _starts_with_header(contract: Contract, records: Sequence[Record], *, exact: bool) -> bool:
    """Whether the first record, titles aside, is a header."""
    first = next(
        (
            record
            for record in records
            if not _is_title(record) or resembles_header(contract, record.fields)
        ),
        None,
    )
    if first is None or first.problem:
        return False
    if exact:
        return table_of(contract, first.fields) is not None
    return resembles_header(contract, first.fields)


def _tables(contract: Contract, file: str, records: Sequence[Record]) -> Iterator[Found]:
    """Cut records at their headers; a header of the same table once more continues it."""
    header: list[str] = []
    table: Table | None = None
    rows: dict[str, list[ChatRow]] = {}
    lines: dict[str, int] = {}
    for index, record in enumerate(records):
        if not record.problem and resembles_header(contract, record.fields):
            header = record.fields
            table = table_of(contract, header)
            if table is None:
                names = column_names(header)
                yield _fault(file, record.line, misfit(contract, names), ",".join(names))
            else:
                rows.setdefault(table.name, [])
                lines.setdefault(table.name, record.line)
        elif table is not None and not _is_title_of_next(contract, records, index):
            rows[table.name].append(_row(table, header, record))
    for name, found in rows.items():
        if found:
            yield ChatTable(file, lines[name], contract.tables[name], tuple(found))
        else:
            yield PassedOver(file, lines[name], f"the header of {name} without a row")


def _is_title_of_next(contract: Contract, records: Sequence[Record], index: int) -> bool:
    """Whether only titles stand between this record and a header."""
    for record in records[index:]:
        if not record.problem and resembles_header(contract, record.fields):
            return True
        if not _is_title(record):
            return False
    return False


def _row(table: Table, header: Sequence[str], record: Record) -> ChatRow:
    if record.problem:
        return ChatRow(record.line, (), f"the row {record.problem}{_quoting_hint(record.problem)}")
    fields = record.fields
    if len(fields) == len(header):
        # Behind "id, name" the blank after a comma belongs to the separator; so it does in a row
        # in which there is one after every comma.
        is_row_spaced = all(field.startswith(" ") for field in fields[1:])
        values = [
            field.removeprefix(" ") if is_row_spaced or name.startswith(" ") else field
            for field, name in zip(fields, header, strict=True)
        ]
        by_name = dict(zip(column_names(header), values, strict=True))
        # No id, number, instant or enum value has blanks around it; a text may.
        ordered = (
            by_name[column.name] if column.is_text else by_name[column.name].strip()
            for column in table.columns
        )
        return ChatRow(record.line, tuple(ordered))
    text = ",".join(fields)
    problem = f"the row has {len(fields)} field{'' if len(fields) == 1 else 's'} instead of "
    problem += str(len(header))
    if _LEFT_OUT.search(text) and len(fields) < len(header):
        problem += ": it seems to stand for rows that are left out, ask for the whole table"
    elif text.lstrip().startswith(("#", "//", "--")):
        problem += ": it seems to be a comment"
    elif len(fields) == len(header) + 1 and not fields[-1].strip():
        problem += ": it ends in a comma too many"
    elif len(fields) > len(header) and ' "' in text:
        problem += ": a quote opens a text only right behind the comma, without a blank"
    elif len(fields) > len(header):
        problem += ': a text with commas needs "quotes" around it, and its own quotes doubled'
    return ChatRow(record.line, tuple(fields), problem)


def _quoting_hint(problem: str) -> str:
    return ': inside a quoted field each quote is doubled ("")' if "quot" in problem else ""
