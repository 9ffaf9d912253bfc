"""Run the suites as Great Expectations checkpoints and write the Data Docs."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import great_expectations as gx
from great_expectations.core import ExpectationValidationResult
from great_expectations.data_context.data_context.ephemeral_data_context import EphemeralDataContext
from great_expectations.data_context.types.base import (
    DataContextConfig,
    InMemoryStoreBackendDefaults,
    ProgressBarsConfig,
)

from chm.contract import Table, load_contract
from chm.contract.ddl import Engine
from chm.errors import ChmError
from chm.quality.batches import Batch, open_batches
from chm.quality.report import ExpectationResult, QualityReport
from chm.quality.suites import (
    Expected,
    columns_query,
    expected_columns,
    expected_rows,
    rows_query,
)
from chm.targets import DuckDBTarget, Target

EXAMPLES = 5


def run_checks(target: Target, data_docs: Path, on_step: Callable[[str], None]) -> QualityReport:
    """Check the columns of every table, then, if they are right, the rows of every table.

    Raises:
        ChmError: the target can't be reached or read, or a table is not there.
    """
    contract = load_contract()
    engine: Engine = "duckdb" if isinstance(target, DuckDBTarget) else "postgres"
    context = _context(data_docs)
    results: list[ExpectationResult] = []
    with open_batches(context, target) as make_batch:
        for table in contract.tables.values():
            on_step(f"checking the columns of {table.name}")
            batch = make_batch(f"{table.name}_columns", columns_query(contract, table))
            results += _run(context, table, batch, expected_columns(table))
        if all(result.success for result in results):
            for table in contract.tables.values():
                on_step(f"checking the rows of {table.name}")
                batch = make_batch(table.name, rows_query(contract, table, engine))
                results += _run(context, table, batch, expected_rows(contract, table, engine))
    on_step("writing the Data Docs")
    # The pages of former checks would be left without a link to them.
    for pages in ("expectations", "validations"):
        shutil.rmtree(data_docs / pages, ignore_errors=True)
    context.build_data_docs()
    return QualityReport(tuple(results), data_docs / "index.html")


def _context(data_docs: Path) -> EphemeralDataContext:
    """A context that keeps everything in memory and phones nobody, but for the Data Docs."""
    return gx.get_context(
        mode="ephemeral",
        project_config=DataContextConfig(
            analytics_enabled=False,
            progress_bars=ProgressBarsConfig(globally=False),
            store_backend_defaults=InMemoryStoreBackendDefaults(init_temp_docs_sites=False),
            data_docs_sites={
                "data_docs": {
                    "class_name": "SiteBuilder",
                    "show_how_to_buttons": False,
                    "store_backend": {
                        "class_name": "TupleFilesystemStoreBackend",
                        "base_directory": str(data_docs.resolve()),
                    },
                    "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"},
                }
            },
        ),
    )


def _run(
    context: EphemeralDataContext, table: Table, batch: Batch, expected: list[Expected]
) -> list[ExpectationResult]:
    suite = gx.ExpectationSuite(
        name=batch.name,
        expectations=[
            {
                "type": expectation.kind,
                "kwargs": expectation.arguments,
                # The order of the results is not that of the expectations.
                "meta": {"position": position},
                "description": f"{expectation.rule}: {expectation.words}",
            }
            for position, expectation in enumerate(expected)
        ],
    )
    validation = context.validation_definitions.add(
        gx.ValidationDefinition(
            name=batch.name, data=batch.definition, suite=context.suites.add(suite)
        )
    )
    checkpoint = context.checkpoints.add(
        gx.Checkpoint(
            name=batch.name,
            validation_definitions=[validation],
            result_format={
                "result_format": "SUMMARY",
                "unexpected_index_column_names": [table.primary_key],
                "partial_unexpected_count": EXAMPLES,
            },
        )
    )
    (found,) = checkpoint.run(batch_parameters=batch.parameters).run_results.values()
    results = {_position(result): result for result in found.results}
    # A suite drops an expectation that it does not understand.
    assert len(results) == len(expected)
    return [
        _result(table, expectation, results[position])
        for position, expectation in enumerate(expected)
    ]


def _position(result: ExpectationValidationResult) -> int:
    assert result.expectation_config is not None
    return int(result.expectation_config.meta["position"])


def _result(
    table: Table, expected: Expected, result: ExpectationValidationResult
) -> ExpectationResult:
    if not result.result:
        reason = _reason(result.exception_info)
        raise ChmError(f"{table.name} {expected.rule} {expected.words}: can't be checked: {reason}")
    examples = _examples(table, result.result)
    return ExpectationResult(
        table=table.name,
        rule=expected.rule,
        expectation=expected.words,
        success=bool(result.success),
        unexpected_count=result.result.get("unexpected_count", len(examples)),
        examples=examples,
    )


def _examples(table: Table, found: dict[str, Any]) -> tuple[str, ...]:
    """The ids of rows that break an expectation, or the columns that are too many or too few."""
    rows = found.get("partial_unexpected_index_list")
    if rows is not None:
        return tuple(sorted(str(row[table.primary_key]) for row in rows))
    columns = found.get("details", {}).get("mismatched", {})
    return tuple(f"{fault} column {name}" for fault, names in columns.items() for name in names)


def _reason(info: dict[str, Any]) -> str:
    """The message of an exception; Great Expectations nests it by metric, or does not."""
    nested = info if "exception_message" in info else next(iter(info.values()))
    return str(nested["exception_message"]).splitlines()[0]
