"""`chm ingest airflow`: DAG runs from an Airflow server."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from chm.commands.ingest.options import (
    LettersOptions,
    PipelineOptions,
    Tell,
    run_source,
    with_options,
)
from chm.commands.ingest.servers import PatienceOptions, TokenOption
from chm.errors import ChmError

if TYPE_CHECKING:
    from chm.ingest.each_pipeline import FailedPipeline
    from chm.ingest.events import SourceEvent
    from chm.ingest.store import Store

AIRFLOW_TOKEN = "CHM_AIRFLOW_TOKEN"
AIRFLOW_USER, AIRFLOW_PASSWORD = "CHM_AIRFLOW_USER", "CHM_AIRFLOW_PASSWORD"
SINCE_FORMATS = ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%M:%S"]


@with_options
def airflow(
    url: Annotated[
        str,
        typer.Option(help="The server; may end in /api/v2 or /api/v1, else that is found out."),
    ],
    common: LettersOptions,
    patience: PatienceOptions,
    pipelines: PipelineOptions,
    dag: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PATTERN", help="Read these DAGs alone, such as 'acme-*'; repeatable."
        ),
    ] = None,
    since: Annotated[
        datetime | None,
        typer.Option(
            metavar="INSTANT",
            formats=SINCE_FORMATS,
            help="Read what changed since this UTC instant, not since the newest run stored.",
        ),
    ] = None,
    overlap: Annotated[
        float,
        typer.Option(metavar="HOURS", min=0, help="Begin so long before the newest run stored."),
    ] = 24,
    explain: Annotated[
        int,
        typer.Option(
            min=0, help="Ask for the failed tasks of at most so many failed runs of a DAG."
        ),
    ] = 100,
    token_env: TokenOption = None,
) -> None:
    """Take DAG runs over Airflow's stable REST API, of Airflow 2 or 3.

    Read are the DAGs whose ids are external ids of active pipelines of platform airflow; with
    --register also those that are none yet. With --client they are that client's. Without a
    token CHM_AIRFLOW_USER and CHM_AIRFLOW_PASSWORD log in.

    Examples:
        export CHM_AIRFLOW_TOKEN=...

        chm ingest airflow --url https://airflow.example.com

        chm ingest airflow --url http://localhost:8080 --client "Davis and Sons" --register
    """
    # Imported here: the HTTP library would slow down every other command.
    from chm.ingest.authorization import checked_url, secret_from_environment
    from chm.ingest.sources.airflow import read_airflow, wanted_dags
    from chm.ingest.sources.airflow_server import Login, open_airflow

    server = checked_url(url)
    token = secret_from_environment(token_env or AIRFLOW_TOKEN, required=bool(token_env))
    login = Login(token, os.environ.get(AIRFLOW_USER), os.environ.get(AIRFLOW_PASSWORD))
    failed: list[FailedPipeline] = []

    def read(store: "Store", tell: Tell) -> "Iterator[SourceEvent]":
        found = open_airflow(server, login, patience.patience(), tell)
        dags = wanted_dags(
            store,
            found,
            pipelines.client,
            dag or [],
            register=pipelines.register,
            since=since.replace(tzinfo=UTC) if since else None,
            overlap=timedelta(hours=overlap),
        )
        if not dags:
            raise ChmError(
                f"target '{common.target}' has no such active pipeline of platform airflow "
                "(--client NAME --register makes them)"
            )
        return read_airflow(found, dags, failed, pipelines.client, explain, tell)

    run_source("airflow", read, common, pipelines, failed=failed)
