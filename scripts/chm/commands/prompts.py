"""`chm prompts`: print what to paste into a chat model."""

from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

_CLIENTS, _PIPELINES, _ROWS = 12, 40, 100
# From the first day to the last one, unless told.
_SPAN = timedelta(days=6)


class Prompt(StrEnum):
    """The prompts, in the order of their use."""

    bootstrap = "bootstrap"
    base = "base"
    runs = "runs"
    alert_rules = "alert-rules"
    templates = "templates"


def prompts(
    name: Annotated[Prompt, typer.Argument(metavar="PROMPT", help="Which one: see above.")],
    folder: Annotated[
        Path | None,
        typer.Option(
            "--from",
            metavar="DIR",
            help="All but templates: the data set whose ids it lists.",
        ),
    ] = None,
    clients: Annotated[
        int | None,
        typer.Option(min=1, help="base: how many clients to ask for; 12 unless given."),
    ] = None,
    pipelines: Annotated[
        int | None,
        typer.Option(
            min=1, help="base: how many pipelines to ask for; 40, or one a client, unless given."
        ),
    ] = None,
    rows: Annotated[
        int | None,
        typer.Option(min=1, help="runs, alert-rules: how many rows to ask for; 100 unless given."),
    ] = None,
    batch: Annotated[
        int | None, typer.Option(min=1, help="runs: the batch; the next one unless given.")
    ] = None,
    from_date: Annotated[
        str | None,
        typer.Option(
            metavar="DAY",
            help="runs: the first day, base: a day that all is older than; 6 days before the last "
            "unless given.",
        ),
    ] = None,
    to_date: Annotated[
        str | None,
        typer.Option(metavar="DAY", help="runs: the last day; today (UTC) unless given."),
    ] = None,
) -> None:
    """Print a prompt for a chat model, with the contract and the ids filled in.

    bootstrap (the briefing: tables, rules, steps), base (clients and pipelines), runs and
    alert-rules (for the clients and pipelines of --from), templates (texts of failed runs for
    chm generate). Save each answer and file it with chm import-chat.

    Examples:
        chm prompts bootstrap

        chm prompts base --clients 10 --pipelines 30

        chm prompts runs --from data/mine --rows 80 --from-date 2026-02-01 --to-date 2026-02-07
    """
    # Imported here: pydantic and DuckDB would slow down every other command.
    from chm.chat.prompts import Order, make_prompt, refuse_idle

    told = {
        "--from": folder,
        "--clients": clients,
        "--pipelines": pipelines,
        "--rows": rows,
        "--batch": batch,
        "--from-date": from_date,
        "--to-date": to_date,
    }
    refuse_idle(name.value, [option for option, value in told.items() if value is not None])
    first_day = _day("--from-date", from_date)
    last_day = _day("--to-date", to_date)
    if last_day is None:
        last_day = max(datetime.now(UTC).date(), first_day or date.min)
    asked = clients or _CLIENTS
    order = Order(
        clients=asked,
        pipelines=pipelines or max(_PIPELINES, asked),
        rows=rows or _ROWS,
        first_day=first_day or last_day - _SPAN,
        last_day=last_day,
        batch=batch,
    )
    typer.echo(make_prompt(name.value, order, folder))


def _day(option: str, text: str | None) -> date | None:
    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(
            f"'{text}' is no day such as 2026-01-31", param_hint=option
        ) from None
