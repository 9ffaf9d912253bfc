"""`chm evaluate`: score the marts against what was planted in a made-up data set."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from chm.commands.output import Format
from chm.targets import read_target


def evaluate(
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="DIR",
            help="The data set that the target was loaded with; only its "
            "context/planted_truth*.json is read.",
        ),
    ],
    target: Annotated[str, typer.Option(help="A target of profiles.yml: dev or prod.")] = "dev",
    output: Annotated[Format, typer.Option("--format", help="What to print.")] = Format.table,
) -> None:
    """Score the marts of a built target against what was planted in its data set.

    Windows: outages of a platform, of a client, of a pipeline, by precision, recall and mean
    intersection over union (IoU) of the matched ones. Flaky pipelines: precision@k and NDCG
    of the mart's ranking and of two naive ones, k being the number planted. Broken and silent
    pipelines: precision, recall and the hours until the marts showed them.

    A category that nothing was planted in has no scores: null in JSON.

    Examples:
        chm demo my/data && chm evaluate my/data

        chm evaluate my/data --target prod --format json
    """
    # Imported here: NumPy and the database drivers would slow down every other command.
    from chm.evaluate import evaluate_target
    from chm.evaluate.render import as_json, print_evaluation

    with Console(stderr=True).status("evaluating"):
        evaluation = evaluate_target(folder, read_target(target, role="reader"))
    if output is Format.json:
        typer.echo(as_json(evaluation))
    else:
        print_evaluation(Console(), evaluation)
