"""`chm exec`: run a job and record it."""

import tempfile
from functools import cache
from pathlib import Path
from typing import Annotated
from uuid import uuid4

import typer

from chm.errors import ChmError
from chm.project import project_dir


def exec_(
    command: Annotated[
        list[str],
        typer.Argument(metavar="-- COMMAND [ARGUMENT]...", help="The job, as for a shell."),
    ],
    pipeline: Annotated[
        str, typer.Option(metavar="NAME", help="The pipeline: its name, external id or id.")
    ],
    client: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Its client, if others have a pipeline of that name."),
    ] = None,
    target: Annotated[str, typer.Option(help="A target of profiles.yml: dev or prod.")] = "dev",
    register: Annotated[
        bool, typer.Option("--register", help="Make the pipeline, under --client, if need be.")
    ] = False,
    run_id: Annotated[
        str | None, typer.Option(metavar="ID", help="The run's external_run_id; else a new UUID.")
    ] = None,
    spool: Annotated[
        Path | None,
        typer.Option(
            envvar="CHM_SPOOL_DIR",
            help="Where events wait for the database; spool/ of the project if not given.",
        ),
    ] = None,
    dead_letters: Annotated[
        Path | None,
        typer.Option(help="Where refused events go; target/dead_letters.jsonl if not given."),
    ] = None,
) -> None:
    """Run a job, such as one of cron, and record its start and its end as a run.

    Output, signals and exit code are the job's, whatever becomes of the record. A nonzero exit
    code, or death by a signal, is a failed run with the last lines of standard error. If the
    database is away, the events wait in the spool, and the next chm exec sends them.

    Examples:
        chm exec --pipeline "Nightly export" -- ./export.sh --all

        0 2 * * * chm exec --pipeline backup --client Acme --register --target prod -- backup.sh
    """
    if register and not client:
        raise ChmError("--register needs --client NAME, the client of new pipelines", 2)
    # Imported here, as in every command.
    from chm.execute.event import Job
    from chm.execute.run import Records, end_like, run_job

    records = Records(
        target,
        register,
        # Not under target, which dbt clean removes.
        (spool or _folder() / "spool").absolute(),
        (dead_letters or _folder() / "target" / "dead_letters.jsonl").absolute(),
    )
    end_like(run_job(Job(pipeline, client, run_id or str(uuid4()), command), records))


@cache
def _folder() -> Path:
    """The project's folder; without one, a job is recorded where somebody will find it."""
    from chm.execute.run import tell

    try:
        return project_dir()
    except ChmError as error:
        folder = Path(tempfile.mkdtemp(prefix="chm-"))
        tell(f"{error}; spooling under {folder}")
        return folder
