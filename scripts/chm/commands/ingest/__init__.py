"""`chm ingest`: take run events from live systems."""

import typer

from chm.commands.ingest import airflow, dbt, files, partner_api

app = typer.Typer(
    name="ingest",
    help="""Take run events from live systems: any order, any repetition, nothing lost.

    Of all events of a run the greatest is stored: a terminal status beats running, then the
    later updated_at counts, then the status. What can't be taken goes to the dead letters, with
    its reason; exit code 3 says that there were some.

    Examples:
        chm ingest jsonl events.jsonl

        chm ingest retry target/dead_letters.jsonl
    """,
    no_args_is_help=True,
    rich_markup_mode="rich",
)
app.command()(files.jsonl)
app.command()(files.csv)
app.command()(partner_api.partner_api)
app.command()(airflow.airflow)
app.command()(dbt.dbt)
app.command()(files.retry)
