"""Every column of every mart equals the oracle, on both engines, over generated data sets."""

import re
from collections.abc import Iterator
from datetime import datetime

import pytest
from hypothesis import HealthCheck, example, given, settings

from chm.project import project_dir
from compare import differences
from edges import edge_scene
from mart_engine import MartEngine, duckdb_engine, postgres_engine
from oracle import DataSet, compute_marts, resolve_clock
from postgres_server import Server, fresh_database
from strategies import scenes

SETTINGS = settings(
    max_examples=100,
    deadline=None,
    # The same examples each time: a failure is the change's, not the draw's.
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


# A failing data set is printed whole, however large.
pytestmark = pytest.mark.filterwarnings("ignore:Generating overly large repr")


@pytest.fixture(scope="module", params=["duckdb", "postgres"])
def engine(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, postgres: Server
) -> Iterator[MartEngine]:
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "duckdb":
        with duckdb_engine(folder) as found:
            yield found
    else:
        with (
            fresh_database(postgres) as name,
            postgres_engine(folder, postgres.environment(name)) as found,
        ):
            yield found


@given(scene=scenes())
@example(scene=edge_scene())
@SETTINGS
def test_every_mart_equals_the_oracle(engine: MartEngine, scene: tuple[DataSet, datetime]) -> None:
    data, as_of = scene
    clock = resolve_clock(data, as_of.isoformat(), as_of)
    actual = engine.compute(data, clock)
    expected = compute_marts(data, clock)
    assert set(actual) == set(expected)
    found = {mart: differences(actual[mart], expected[mart]) for mart in expected}
    assert {mart: lines for mart, lines in found.items() if lines} == {}


def test_texts_are_ranked_by_code_point_whatever_the_locale(engine: MartEngine) -> None:
    """The server's own locale may sort by code point anyway, so this looks at the SQL."""
    ranked = [
        model
        for model in engine.models
        for path in (project_dir() / "models").rglob(f"{model.name}.sql")
        if re.search(r"binary_text\(|sorted_list\(", path.read_text("utf-8"))
    ]
    assert len(ranked) >= 7
    collated = {model.name for model in ranked if 'collate "C"' in model.query}
    assert collated == ({model.name for model in ranked} if engine.placeholder == "%s" else set())
