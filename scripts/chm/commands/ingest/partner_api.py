"""`chm ingest partner-api`: runs from a partner's API."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from chm.commands.ingest.options import (
    LettersOptions,
    MappingOptions,
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

PARTNER_TOKEN = "CHM_PARTNER_API_TOKEN"


@with_options
def partner_api(
    url: Annotated[
        str,
        typer.Option(
            help="Where a pipeline's runs are; may hold {external_id} and {platform}, "
            "else the query tells the external id."
        ),
    ],
    common: LettersOptions,
    mapping: MappingOptions,
    patience: PatienceOptions,
    client: Annotated[
        str | None, typer.Option(metavar="NAME", help="Ask for this client's pipelines alone.")
    ] = None,
    platform: Annotated[
        list[str] | None, typer.Option(help="Ask for this platform's alone; may be repeated.")
    ] = None,
    token_env: TokenOption = None,
    pipeline_param: Annotated[
        str, typer.Option(metavar="NAME", help="The query parameter for the external id.")
    ] = "pipeline",
    cursor_param: Annotated[
        str, typer.Option(metavar="NAME", help="The query parameter for the cursor.")
    ] = "cursor",
    query: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="Another query parameter; may be repeated."),
    ] = None,
) -> None:
    """Take runs from a partner's API: pages of {runs: [...], next_cursor} for every pipeline.

    Asked is for every active pipeline with an external id. The token is sent as a bearer token
    to the host of --url and to no other. A pipeline that fails doesn't stop the others; exit
    code 1 says that there was one.

    Examples:
        export CHM_PARTNER_API_TOKEN=...

        chm ingest partner-api --url 'https://api.example.com/pipelines/{external_id}/runs'

        chm ingest partner-api --url https://api.example.com/runs --pipeline-param job
    """
    # Imported here: the HTTP library would slow down every other command.
    from chm.ingest.authorization import checked_url, secret_from_environment
    from chm.ingest.http import JsonClient
    from chm.ingest.known import known_pipelines
    from chm.ingest.sources.partner_api import PageRequest, read_partner_api

    request = PageRequest(checked_url(url), pipeline_param, cursor_param, _parameters(query or []))
    token = secret_from_environment(token_env or PARTNER_TOKEN, required=bool(token_env))
    run_mapping = mapping.read() if mapping.mapping else None
    _check_platforms(platform or [])
    failed: list[FailedPipeline] = []

    def read(store: "Store", tell: Tell) -> "Iterator[SourceEvent]":
        pipelines = [
            pipeline
            for pipeline in known_pipelines(store)
            if pipeline.is_active
            and client in (None, pipeline.client_name)
            and (not platform or pipeline.platform in platform)
        ]
        if not pipelines:
            raise ChmError(f"target '{common.target}' has no such pipeline with an external id")
        http = JsonClient(
            patience.patience(), f"Bearer {token}" if token else None, (token or "",), tell
        )
        return read_partner_api(http, request, pipelines, run_mapping, failed, tell)

    run_source("partner-api", read, common, failed=failed)


def _parameters(query: Sequence[str]) -> tuple[tuple[str, str], ...]:
    pairs = tuple(one.partition("=") for one in query)
    for name, sign, _ in pairs:
        if not name or not sign:
            raise ChmError(f"--query {name} must be NAME=VALUE", 2)
    return tuple((name, value) for name, _, value in pairs)


def _check_platforms(platforms: Sequence[str]) -> None:
    from chm.contract import load_contract

    allowed = load_contract().enums["platforms"].values
    for platform in platforms:
        if platform not in allowed:
            raise ChmError(f"--platform {platform} is not one of {', '.join(allowed)}", 2)
