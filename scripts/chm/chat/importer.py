"""Import the answers of a chat model into a data set: all of it or nothing."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from chm.chat.exchange import stage_beside
from chm.chat.filing import FiledFile, file_tables
from chm.chat.parents import against_registry, read_known_ids
from chm.chat.staging import Origin, copy_data_set, stage_tables
from chm.chat.tables import ChatRow, ChatTable, PassedOver, read_answer
from chm.contract import load_contract
from chm.credentials import presentable
from chm.errors import ChmError
from chm.exchange import put_in_place
from chm.validate import RULES, Report, Violation, validate

# Far more violations of one rule than a chat model's answer has rows, and few enough to hold.
_COUNTED_AT_MOST = 100_000
_EARLIER = re.compile(r"(?P<words>.*: used before at )(?P<file>\S+):(?P<line>\d+)", re.DOTALL)


@dataclass(frozen=True)
class Import:
    """What came of an import: files if it was accepted, else violations of level E.

    `violations` has those of level W too; `tables` are what was found in the answers.
    """

    tables: tuple[ChatTable, ...]
    passed_over: tuple[PassedOver, ...]
    violations: tuple[Violation, ...]
    files: tuple[FiledFile, ...] = ()

    @property
    def is_accepted(self) -> bool:
        """Whether no rule of level E is broken; only then something was written."""
        return all(violation.level != "E" for violation in self.violations)


def import_answers(
    answers: Sequence[tuple[str, bytes]],
    into: Path,
    on_step: Callable[[str], None] = lambda _: None,
) -> Import:
    """Import answers into the data set in the folder `into`.

    Args:
        answers: The name and the bytes of each.
        into: The data set; a folder that is not there yet becomes one.
        on_step: Told what is being done, for a progress display.

    Raises:
        ChmError: an answer is no text or holds no table, or the data set is at fault itself.
    """
    contract = load_contract()
    read = [read_answer(contract, name, _text(name, content)) for name, content in answers]
    tables = tuple(table for answer in read for table in answer.tables)
    passed_over = tuple(item for answer in read for item in answer.passed_over)
    faults = [fault for answer in read for fault in answer.faults]
    if faults:
        # A table that is missing would make orphans of rows that are right.
        return Import(tables, passed_over, tuple(_in_order([*faults, *_unreadable(tables)])))
    if not tables:
        raise ChmError(_nothing_found([name for name, _ in answers], passed_over))
    into = into.resolve()
    with stage_beside(into) as stage:
        on_step("reading the data set")
        copy_data_set(into, stage)
        known = read_known_ids(stage, into)
        staged = stage_tables(contract, stage, tables)
        report = validate(stage, _COUNTED_AT_MOST, on_step)
        violations = _located(report, staged.origins, into)
        violations += against_registry(known, staged.origins.values())
        found = Import(tables, passed_over, tuple(_in_order(violations)))
        if not found.is_accepted:
            return found
        on_step("filing")
        files = file_tables(stage, staged, known.registry)
        put_in_place(stage, into)
        return replace(found, files=tuple(files))


def _text(name: str, content: bytes) -> str:
    encoding = "utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise ChmError(f"{name}:{line} is not text in UTF-8: save the answer as UTF-8") from None


def _nothing_found(names: Iterable[str], passed_over: Iterable[PassedOver]) -> str:
    lines = [
        f"{', '.join(names)}: no table found; an answer holds CSV, with the header of one of "
        f"{', '.join(load_contract().tables)}, in fences or bare"
    ]
    lines += [f"  passed over {item.file}:{item.line} {item.reason}" for item in passed_over]
    return "\n".join(lines)


def _unreadable(tables: Iterable[ChatTable]) -> list[Violation]:
    return [
        Violation(table.file, row.line, None, "R01", _shown(row), row.problem)
        for table in tables
        for row in table.rows
        if row.problem
    ]


def _shown(row: ChatRow) -> str | None:
    """A row that could not be read, as far as it was, for a message."""
    return presentable(",".join(row.fields)) if row.fields else None


def _in_order(violations: Iterable[Violation]) -> list[Violation]:
    """The order of the rules, then of the answers and their lines."""
    rules = list(RULES)
    return sorted(violations, key=lambda item: rules.index(item.rule))


def _located(
    report: Report, origins: Mapping[tuple[str, int], Origin], into: Path
) -> list[Violation]:
    """Return the violations of new rows, with the lines of the answers.

    Raises:
        ChmError: a row that was there before breaks a rule of level E.
    """
    found = []
    for violation in report.violations:
        origin = origins.get((violation.file, violation.line or 0))
        if origin is None:
            if violation.level == "E":
                raise ChmError(
                    f"{violation}\nthe data set itself is not valid: see chm validate {into}"
                )
            continue
        found.append(
            replace(
                violation,
                file=origin.table.file,
                line=origin.row.line,
                value=_shown(origin.row) if origin.row.problem else violation.value,
                message=origin.row.problem or _message(violation.message, origins),
            )
        )
    return found


def _message(message: str, origins: Mapping[tuple[str, int], Origin]) -> str:
    """Name the earlier row of a repeated key where the user has it."""
    earlier = _EARLIER.fullmatch(message)
    origin = origins.get((earlier["file"], int(earlier["line"]))) if earlier else None
    if earlier is None or origin is None:
        return message
    return f"{earlier['words']}{origin.table.file}:{origin.row.line}"
