"""How fast is `chm load` against a bare COPY with keys afterwards, and a bare DuckDB table?

python benchmarks/bench_load.py                     # 2 million runs, in one file and in 4
python benchmarks/bench_load.py --runs 200000
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import duckdb
import psycopg

from chm.contract import Contract, load_contract
from chm.contract.ddl import enum_statements, key_statements, table_statements
from chm.load import LoadResult, load
from chm.targets import DuckDBTarget, PostgresTarget, read_target

SHARDS = 4
_CHUNK_BYTES = 1 << 20
_CHM = Path(sys.executable).with_name("chm")
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "python"))


def bench_load(runs: int = 2_000_000, rounds: int = 3) -> dict[str, Any]:
    """Measure loads and yardsticks in turns after a warm-up; the medians count.

    The PostgreSQL server is the tests' own, which flushes nothing: on either side. Its yardstick
    is what psql's copy does with one file; psql itself takes as long (measured: 12.5 and 12.4 s).

    Returns:
        cases by name (seconds, rows_per_second) and ratios: PostgreSQL whole, with one file and
        with several, and without the validation, to a bare COPY of one file and the same keys;
        DuckDB without the validation to a bare `create table as select`.
    """
    from postgres_server import fresh_database, postgres_server

    seconds: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory(prefix="chm-bench-") as name, postgres_server() as server:
        file, shards = Path(name) / "file", Path(name) / "shards"
        for data, rows in ((file, runs), (shards, runs // SHARDS)):
            options = ["--runs", str(runs), "--shard-rows", str(rows), "--out", str(data)]
            subprocess.run([_CHM, "generate", *options], check=True, capture_output=True)
        with fresh_database(server) as database:
            os.environ.update(server.environment(database))
            target = read_target("prod")
            assert isinstance(target, PostgresTarget)
            for number in range(rounds + 1):
                found = _round(file, shards, target, Path(name) / "bench.duckdb")
                for case, taken in found.items():
                    sys.stderr.write(f"round {number} of {rounds}: {case} {taken:.1f} s\n")
                    if number:
                        seconds.setdefault(case, []).append(taken)
    taken = {case: median(values) for case, values in seconds.items()}
    bare = taken["postgres, bare copy, then keys"]
    return {
        "benchmark": "chm load",
        "runs": runs,
        "cpus": len(os.sched_getaffinity(0)),
        "cases": {
            case: {"seconds": round(value, 2), "rows_per_second": round(runs / value)}
            for case, value in taken.items()
        },
        "ratios": {
            "PostgreSQL whole, one file, to a bare copy and keys": round(
                taken["postgres, whole load of one file"] / bare, 2
            ),
            "PostgreSQL whole, several files, to a bare copy and keys": round(
                taken["postgres, whole load"] / bare, 2
            ),
            "PostgreSQL without validation, to a bare copy and keys": round(
                taken["postgres, without validation"] / bare, 2
            ),
            "DuckDB without validation, to a bare table": round(
                taken["duckdb, without validation"] / taken["duckdb, bare table"], 2
            ),
        },
    }


def _round(file: Path, shards: Path, target: PostgresTarget, path: Path) -> dict[str, float]:
    contract = load_contract()
    found = {"postgres, bare copy, then keys": _bare_copy(contract, file, target)}
    for data, case in (
        (file, "postgres, whole load of one file"),
        (shards, "postgres, whole load"),
    ):
        started = perf_counter()
        result = load(data, target)
        found[case] = perf_counter() - started
        with psycopg.connect(**target.conninfo, autocommit=True) as connection:
            connection.execute(f"drop schema {contract.schema} cascade")
    found["postgres, without validation"] = _without_validation(result)
    found["duckdb, bare table"] = _bare_table(contract, shards, path)
    path.unlink()
    found["duckdb, without validation"] = _without_validation(
        load(shards, DuckDBTarget("bench", path))
    )
    path.unlink()
    return found


def _without_validation(result: LoadResult) -> float:
    return sum(step.seconds for step in result.steps if step.step != "validate")


def _bare_copy(contract: Contract, data: Path, target: PostgresTarget) -> float:
    """Copy file after file into tables without keys, as psql does, then add the keys."""
    files = [(name, data / "base" / f"{name}.csv") for name in contract.tables if name != "runs"]
    files += [("runs", path) for path in sorted((data / "batches").iterdir())]
    with psycopg.connect(**target.conninfo, autocommit=True) as connection:
        connection.execute(f"create schema {contract.schema}")
        for statement in enum_statements(contract):
            connection.execute(statement)
        started = perf_counter()
        for statement in table_statements(contract, "postgres", without_keys=contract.tables):
            connection.execute(statement)
        for name, path in files:
            copied = f"copy {contract.schema}.{name} from stdin (format csv, header true)"
            with path.open("rb") as file, connection.cursor().copy(copied) as copy:
                while chunk := file.read(_CHUNK_BYTES):
                    copy.write(chunk)
        for table in contract.tables.values():
            for statement in key_statements(contract, table):
                connection.execute(statement)
        seconds = perf_counter() - started
        connection.execute(f"drop schema {contract.schema} cascade")
    return seconds


def _bare_table(contract: Contract, data: Path, path: Path) -> float:
    types = ", ".join(
        f"'{column.name}': '{'json' if column.sql_type == 'jsonb' else column.sql_type}'"
        for column in contract.tables["runs"].columns
    )
    with duckdb.connect(str(path)) as connection:
        connection.execute("set TimeZone = 'UTC'")
        started = perf_counter()
        connection.execute(
            f"create table runs as select * from read_csv('{data}/batches/*.csv', header = true, "
            f"columns = {{{types}}}, auto_detect = false, delim = ',', quote = '\"', "
            "escape = '\"', nullstr = '')"
        )
        connection.execute("checkpoint")
        return perf_counter() - started


def main() -> None:
    """Print the measurement as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--runs", type=int, default=2_000_000, help="runs (2 million)")
    parser.add_argument("--rounds", type=int, default=3, help="timed rounds (3)")
    options = parser.parse_args()
    found = bench_load(options.runs, options.rounds)
    sys.stdout.write(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
