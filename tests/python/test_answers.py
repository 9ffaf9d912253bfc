"""The commands around the marts: what they say before there is anything to show."""

import pytest
from typer.testing import CliRunner

from chm.answers import read_answers
from chm.cli import app
from chm.errors import ChmError
from chm.targets import DuckDBTarget, Target
from raw_tables import connect


def test_marts_that_are_not_built_are_said_to_be(target: Target) -> None:
    with connect(target) as connection:
        connection.execute("select 1")
    with pytest.raises(ChmError, match=f"not built .*run dbt build --target {target.name} first"):
        read_answers(target)


def test_a_wrong_instant_is_refused_before_anything_is_loaded(duckdb_target: DuckDBTarget) -> None:
    result = CliRunner().invoke(app, ["demo", "--as-of", "yesterday"])
    assert isinstance(result.exception, ChmError)
    assert "it is 'yesterday'" in str(result.exception)
    assert not duckdb_target.path.exists()
