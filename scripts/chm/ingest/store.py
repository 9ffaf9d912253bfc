"""What ingestion needs of a database, for either engine."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from chm.ingest.event_order import IDENTITY
from chm.ingest.merge import MergeCounts
from chm.ingest.resolve import NewPipeline, Pipeline
from chm.ingest.sieve import ROW
from chm.targets import DuckDBTarget, Target

Row = tuple[Any, ...]
# The table of the events that are merged next.
STAGED = "chm_events"

NEW_PIPELINE_TYPE = "ingestion"
NEW_PIPELINE_ENVIRONMENT = "prod"


class Store(ABC):
    """An open target. Everything but `transaction` is called inside one."""

    @abstractmethod
    def transaction(self, *, registers: bool) -> AbstractContextManager[None]:
        """Commit what the block does, all of it or nothing.

        Args:
            registers: whether the block may add clients and pipelines.
        """

    @abstractmethod
    def stage(self, rows: pa.Table) -> None:
        """Put rows with the columns of raw.runs and ROW, a number of their own, in STAGED."""

    @abstractmethod
    def merge(self) -> MergeCounts:
        """Merge STAGED into raw.runs; it is gone then."""

    def release(self) -> None:  # noqa: B027
        """Let others have the target until the next transaction, where only one can have it."""

    @abstractmethod
    def execute(self, statement: str, values: Sequence[Any] = ()) -> list[Row]:
        """Run a statement with %s for each value; return its rows."""

    def pipelines(self) -> list[Pipeline]:
        """Return all pipelines."""
        rows = self.execute(
            "select cast(pipelines.id as varchar), clients.name, pipelines.name, "
            "cast(pipelines.platform as varchar), pipelines.external_id "
            "from raw.pipelines inner join raw.clients on clients.id = pipelines.client_id"
        )
        return [Pipeline(*row) for row in rows]

    def shared_ids(self) -> list[tuple[int, str, tuple[str, str]]]:
        """Return the staged rows whose id is told of several runs, in order.

        Each is its number, its id and its run's identity.
        """
        runs = ", ".join(IDENTITY)
        rows = self.execute(
            f"select {ROW}, cast(id as varchar), cast(pipeline_id as varchar), external_run_id "
            f"from {STAGED} where id in ("
            f"select staged.id from {STAGED} as staged "
            "inner join raw.runs as stored on stored.id = staged.id where "
            + " or ".join(f"stored.{name} <> staged.{name}" for name in IDENTITY)
            + f" union select id from (select distinct id, {runs} from {STAGED}) as told "
            f"group by id having count(*) > 1) order by {ROW}"
        )
        return [(row, id_, (pipeline, run)) for row, id_, pipeline, run in rows]

    def owners(self, ids: list[str]) -> dict[str, tuple[str, str]]:
        """Return which of these ids are stored, each with its run's identity."""
        rows = self.execute(
            "select cast(id as varchar), cast(pipeline_id as varchar), external_run_id "
            "from raw.runs where id = any(cast(%s as uuid[]))",
            [ids],
        )
        return {id_: (pipeline_id, external_run_id) for id_, pipeline_id, external_run_id in rows}

    def unstage(self, rows: list[int]) -> None:
        """Take rows out of STAGED."""
        self.execute(f"delete from {STAGED} where {ROW} = any(cast(%s as integer[]))", [rows])

    def register(self, pipeline: NewPipeline) -> None:
        """Add a pipeline, and its client where no client has the name."""
        now = datetime.now(UTC)
        clients = self.execute(
            "select cast(id as varchar) from raw.clients where name = %s", [pipeline.client_name]
        )
        client_id = clients[0][0] if clients else pipeline.client_id
        if not clients:
            self.execute(
                "insert into raw.clients (id, name, is_active, created_at, updated_at) "
                "values (%s, %s, true, %s, %s)",
                [client_id, pipeline.client_name, now, now],
            )
        self.execute(
            "insert into raw.pipelines (id, client_id, name, platform, external_id, "
            "pipeline_type, description, environment, is_active, created_at, updated_at) "
            "values (%s, %s, %s, %s, %s, %s, 'Registered by chm ingest', %s, true, %s, %s)",
            [
                pipeline.id,
                client_id,
                pipeline.name,
                pipeline.platform,
                pipeline.external_id,
                NEW_PIPELINE_TYPE,
                NEW_PIPELINE_ENVIRONMENT,
                now,
                now,
            ],
        )


@contextmanager
def open_store(target: Target) -> Iterator[Store]:
    """Open a target for writing.

    Raises:
        ChmError: it can't be opened, has no raw tables, or refuses what the block does.
    """
    # Imported here: the other engine's driver may not be needed.
    if isinstance(target, DuckDBTarget):
        from chm.ingest.duckdb_store import open_duckdb

        with open_duckdb(target) as store:
            yield store
    else:
        from chm.ingest.postgres_store import open_postgres

        with open_postgres(target) as store:
            yield store
