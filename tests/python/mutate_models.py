"""Break every model in small ways and see that the oracle notices.

    python tests/python/mutate_models.py [model ...]

Each mutant is one change in one place of a model's compiled SQL: a flipped comparison, a dropped
filter, another window, another order. It is killed when some mart differs from the oracle on one
of the data sets of test_marts.py, or when the SQL fails. Survivors are printed, and the exit code
is 1 if there is one. It takes some minutes, so it is run by hand: `make mutants`.
"""

import re
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import duckdb
from hypothesis import HealthCheck, Phase, given, settings
from rich.console import Console
from rich.progress import track

from compare import differences
from edges import edge_scene
from mart_engine import MartEngine, Model, Rows, duckdb_engine
from oracle import Clock, DataSet, compute_marts, resolve_clock
from strategies import scenes

EXAMPLES = 100
# What is found, and what takes its place.
MUTATIONS = {
    r"<=": "<",
    r"(?<![<>!-])<(?![=>])": "<=",
    r">=": ">",
    r"(?<![<>=-])>(?!=)": ">=",
    r"(?<![<>!=])=(?!=)": "!=",
    r"!=": "=",
    r"\band\b": "or",
    r"\bor\b": "and",
    r"\bdesc\b": "asc",
    r"nulls last": "nulls first",
    r"\blag\(": "lead(",
    r"\blead\(": "lag(",
    r"\bmin\(": "max(",
    r"\bmax\(": "min(",
    r"left join": "inner join",
    r"\bis null": "is not null",
    r"\bis not null": "is null",
    r"\bnot ": "",
    r"-86400\b": "-90000",
    r"-604800\b": "-691200",
    r"-1209600\b": "-1123200",
    r"-1814400\b": "-1728000",
    r"-2592000\b": "-2505600",
    r"-60\.0": "-61.0",
    r"coalesce\(([^,()]+), ([^()]+)\)": r"\1",
    r"greatest\(": "least(",
    r"\+ 7": "+ 8",
    r"1\.4826": "1.5",
    r"0\.95\b": "0.9",
    r"0\.5\b": "0.4",
    r"0\.1\b": "0.2",
    r"1\.959963984540054": "1.96",
    r"(?<=[<>]= )(\d)\b": r"1\1",
    r"where [^\n]+\n(?=\n)": "\n",
    r" filter \(where [^()]+\)": "",
}

Case = tuple[DataSet, Clock, dict[str, Rows]]


def make_cases() -> list[Case]:
    """Return data sets with their expected marts, the same ones each time."""
    found = [edge_scene()]

    @given(scene=scenes())
    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def collect(scene: tuple[DataSet, datetime]) -> None:
        found.append(scene)

    collect()
    clocks = [(data, resolve_clock(data, as_of.isoformat(), as_of)) for data, as_of in found]
    return [(data, clock, compute_marts(data, clock)) for data, clock in clocks]


def mutants(model: Model) -> Iterator[tuple[Model, str]]:
    """Yield the model with one place changed, and that place in words."""
    for pattern, replacement in MUTATIONS.items():
        for match in re.finditer(pattern, model.query):
            new = match.expand(replacement)
            query = model.query[: match.start()] + new + model.query[match.end() :]
            line = model.query[model.query.rfind("\n", 0, match.start()) + 1 :].split("\n")[0]
            if query != model.query:
                yield replace(model, query=query), f"{match[0]!r} -> {new!r} in: {line.strip()}"


def is_killed(engine: MartEngine, mutant: Model, cases: list[Case]) -> bool:
    """Whether some case tells the mutant from the model."""
    models = tuple(mutant if model.name == mutant.name else model for model in engine.models)
    broken = replace(engine, models=models)
    for data, clock, expected in cases:
        try:
            actual = broken.compute(data, clock)
        except duckdb.Error:
            return True
        if any(differences(actual[mart], rows) for mart, rows in expected.items()):
            return True
    return False


def main(names: list[str]) -> int:
    """Try every mutant of the models named, or of all; return 1 if one survives."""
    console = Console(highlight=False, soft_wrap=True)
    cases = make_cases()
    survivors = total = 0
    with (
        tempfile.TemporaryDirectory() as folder,
        duckdb_engine(Path(folder)) as engine,
    ):
        wanted = [model for model in engine.models if not names or model.name in names]
        # The engine sets the clock itself.
        tried = [
            mutant for model in wanted if "clock" not in model.name for mutant in mutants(model)
        ]
        for mutant, place in track(tried, "mutants", console=console):
            total += 1
            if not is_killed(engine, mutant, cases):
                survivors += 1
                console.print(f"survived: {mutant.name}: {place}", markup=False)
    console.print(f"{total} mutants, {survivors} survived")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
