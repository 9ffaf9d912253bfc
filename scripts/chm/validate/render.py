"""A validation report as text for a terminal and as JSON."""

import json
from typing import Any

from rich.console import Console
from rich.table import Table

from chm.validate.report import RULES, Report, level_of


def print_report(report: Report, console: Console) -> None:
    """Print the files, the broken rules with their true counts, the violations, a verdict."""
    console.print(_files(report))
    broken = {rule: count for rule, count in report.counts.items() if count}
    if broken:
        console.print()
        console.print(_rules(report, broken))
        console.print()
        for violation in report.violations:
            console.print(
                str(violation),
                style="red" if violation.level == "E" else "yellow",
                markup=False,
                highlight=False,
                soft_wrap=True,
            )
    console.print()
    console.print(_verdict(broken), markup=False, highlight=False)


def as_json(report: Report) -> str:
    """Return the report as JSON: {data_set, is_valid, files, rules, violations}.

    files:      [{file, table, rows}], rows being those that could be read
    rules:      [{rule, level, violations}], every rule with its true number of violations
    violations: [{file, line, column, rule, level, value, message}], the first of each rule;
                line, column and value are null where there is none
    """
    document: dict[str, Any] = {
        "data_set": str(report.data_set),
        "is_valid": report.is_valid,
        "files": [
            {"file": file.file, "table": file.table, "rows": file.rows} for file in report.files
        ],
        "rules": [
            {"rule": rule, "level": level_of(rule), "violations": count}
            for rule, count in report.counts.items()
        ],
        "violations": [
            {
                "file": violation.file,
                "line": violation.line,
                "column": violation.column,
                "rule": violation.rule,
                "level": violation.level,
                "value": violation.value,
                "message": violation.message,
            }
            for violation in report.violations
        ],
    }
    return json.dumps(document, indent=2)


def _files(report: Report) -> Table:
    table = Table("file", "table", box=None)
    table.add_column("rows", justify="right")
    for file in report.files:
        table.add_row(file.file, file.table, f"{file.rows:,}")
    return table


def _rules(report: Report, broken: dict[str, int]) -> Table:
    table = Table("rule", "level", "what must hold", box=None)
    table.add_column("violations", justify="right")
    table.add_column("shown", justify="right")
    for rule, count in broken.items():
        table.add_row(
            rule, level_of(rule), RULES[rule], f"{count:,}", f"{min(count, report.limit):,}"
        )
    return table


def _verdict(broken: dict[str, int]) -> str:
    errors = sum(count for rule, count in broken.items() if level_of(rule) == "E")
    warnings = sum(broken.values()) - errors
    if errors:
        return f"invalid: {_number(errors, 'error')}, {_number(warnings, 'warning')}"
    if warnings:
        return f"valid, with {_number(warnings, 'warning')}"
    return f"valid: all {len(RULES)} rules hold"


def _number(count: int, word: str) -> str:
    return f"{count:,} {word}{'' if count == 1 else 's'}"
