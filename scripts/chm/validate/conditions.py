"""The rules that one row can break alone, as SQL conditions over `checked_<table>`.

A rule that the contract gives no id of its own goes to the nearest: a whole-number column
without a number breaks the rule that bounds it (R09, R13), a boolean column without true or
false breaks R02, a foreign key that is no UUID breaks R05, since it can't resolve.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from chm.contract import Check, Column, Contract, Table
from chm.credentials import CREDENTIAL
from chm.validate.sql import is_blank, is_set, literal, text_of

# How the checks of the contract read to a user; {name} is a field as written.
_CHECK_MESSAGES = {
    "R08": "is before started_at '{started_at}'",
    "R12": "is empty, and so is pipeline_id: one of them must be set",
    "R13": "must be 1 or more for rule_type '{rule_type}'",
}


@dataclass(frozen=True)
class Condition:
    """A row of `checked_<table>` where `test` is true breaks `rule` in `column`.

    `test` and `message` are SQL; the offending value is the field as written.
    """

    rule: str
    column: str
    test: str
    message: str


@dataclass(frozen=True)
class RunStatuses:
    """The statuses of runs, by what a run with one of them must carry."""

    failed: frozenset[str]
    succeeded: frozenset[str]
    finished: frozenset[str]
    unfinished: frozenset[str]


def run_statuses(contract: Contract) -> RunStatuses:
    """Group the statuses by what the enum says of them."""
    statuses = contract.enums["run_statuses"]
    failed = frozenset(statuses.flagged("is_failure"))
    finished = frozenset(statuses.flagged("is_terminal"))
    return RunStatuses(
        failed=failed,
        succeeded=frozenset(statuses.flagged("is_decided")) - failed,
        finished=finished,
        unfinished=frozenset(statuses.values) - finished,
    )


def row_conditions(contract: Contract, table: Table) -> list[Condition]:
    """Return every condition for the rows of a table.

    None of them is true for a row in which another fault has spoilt what it needs.
    """
    conditions = [
        *_fields(contract, table),
        *(_check(table, check) for check in table.checks),
        *_credentials(table),
    ]
    if {"created_at", "updated_at"} <= set(table.column_names):
        conditions.append(_order("W03", "updated_at", "created_at"))
    if table.name == "runs":
        conditions += _runs(contract)
    if table.name == "alert_rules":
        conditions.append(_destinations(contract))
    return conditions


def _fields(contract: Contract, table: Table) -> Iterator[Condition]:
    for column in table.columns:
        if column.required:
            yield Condition("R02", column.name, is_blank(text_of(column.name)), "'is empty'")
        form = _form(contract, table, column)
        if form:
            rule, message = form
            yield Condition(rule, column.name, _malformed(column), literal(message))
        if column.minimum is not None and column.minimum_rule:
            yield Condition(
                column.minimum_rule,
                column.name,
                f"{column.name} < {column.minimum}",
                literal(f"is less than {column.minimum}"),
            )


def _form(contract: Contract, table: Table, column: Column) -> tuple[str, str] | None:
    """The rule that a malformed field breaks and what to say; None if no text is malformed."""
    if column.enum:
        values = ", ".join(contract.enums[column.enum].values)
        return "R06", f"is not one of {values}"
    match column.sql_type:
        case "uuid" if column.name == table.primary_key:
            return "R03", "is not a UUID"
        case "timestamptz":
            return "R07", "is not an ISO 8601 instant in UTC such as 2026-01-31T09:30:00Z"
        case "boolean":
            return "R02", "is neither true nor false"
        case "integer" | "bigint" as sql_type:
            rule = column.minimum_rule or _rule_of_check(table, column)
            return rule, f"is not a whole number of type {sql_type}"
        case "jsonb":
            return "R11", "is not the text of one JSON object"
    return None


def _rule_of_check(table: Table, column: Column) -> str:
    return next(check.rule for check in table.checks if check.column == column.name)


def _malformed(column: Column) -> str:
    return f"({is_set(column)} and {column.name} is null)"


def _check(table: Table, check: Check) -> Condition:
    used = [column for column in table.columns if re.search(rf"\b{column.name}\b", check.test)]
    spoilt = "".join(f" and not {_malformed(column)}" for column in used)
    message = literal(_CHECK_MESSAGES.get(check.rule, f"breaks {check.test}"))
    for column in used:
        text = f"coalesce({text_of(column.name)}, '')"
        message = message.replace(f"{{{column.name}}}", f"' || {text} || '")
    return Condition(check.rule, check.column, f"not ({check.test}){spoilt}", message)


def _credentials(table: Table) -> Iterator[Condition]:
    for column in table.columns:
        if column.is_text:
            test = f"regexp_matches({text_of(column.name)}, {literal(CREDENTIAL)})"
            yield Condition("W05", column.name, test, "'holds a credential-like value'")


def _order(rule: str, later: str, earlier: str) -> Condition:
    message = f"'is before {earlier} ''' || {text_of(earlier)} || ''''"
    return Condition(rule, later, f"{later} < {earlier}", message)


def _runs(contract: Contract) -> Iterator[Condition]:
    statuses = run_statuses(contract)
    for column in ("error_message", "status_reason"):
        yield _presence("R14", column, statuses.failed, carried=True)
    for column in ("error_message", "status_reason"):
        yield _presence("R14", column, statuses.succeeded, carried=False)
    for column in ("finished_at", "duration_seconds"):
        yield _presence("R15", column, statuses.finished, carried=True)
        yield _presence("R15", column, statuses.unfinished, carried=False)
    yield Condition(
        "W01",
        "duration_seconds",
        "abs(epoch(finished_at) - epoch(started_at) - duration_seconds) >= 1 "
        "and finished_at >= started_at and duration_seconds >= 0",
        "'differs from finished_at - started_at = ' "
        "|| cast(epoch(finished_at) - epoch(started_at) as bigint) || ' seconds'",
    )
    yield _order("W03", "ingested_at", "started_at")


def _presence(rule: str, column: str, statuses: frozenset[str], *, carried: bool) -> Condition:
    """A run in one of the statuses must carry the column, or must not."""
    listed = ", ".join(literal(status) for status in sorted(statuses))
    text = text_of(column)
    fault = is_blank(text) if carried else f"{text} is not null"
    word = "is empty" if carried else "is set"
    return Condition(
        rule,
        column,
        f"status in ({listed}) and {fault}",
        f"'{word}, which a run with status ' || status || ' may not be'",
    )


def _destinations(contract: Contract) -> Condition:
    cases = " ".join(
        f"when {literal(channel)} "
        f"then not regexp_matches(destination, {literal(row['destination_pattern'])})"
        for channel, row in contract.enums["alert_channels"].rows.items()
    )
    return Condition(
        "W04",
        "destination",
        f"case channel {cases} end",
        "'does not look like a destination of channel ' || channel",
    )
