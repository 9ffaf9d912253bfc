"""Ask a server for one pipeline after the other: one that fails doesn't stop the others."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from chm.ingest.events import SourceEvent
from chm.ingest.http import HttpError, UnauthorisedError, UnreachableError

Asked = TypeVar("Asked")

# After so many pipelines in a row without any answer the others are not asked.
_UNREACHABLE_IN_A_ROW = 3


@dataclass(frozen=True)
class FailedPipeline:
    """A pipeline that could not be read to its end, and why."""

    pipeline: str
    reason: str


def read_each(
    pipelines: Sequence[Asked],
    read: Callable[[Asked], Iterator[SourceEvent]],
    failed: list[FailedPipeline],
    tell: Callable[[str], None],
) -> Iterator[SourceEvent]:
    """Yield what `read` yields for each pipeline; those that raise HttpError go to `failed`.

    What was read of such a pipeline before is yielded. All that are left fail with it where the
    server does not take the credentials, or did not answer for three pipelines in a row.
    """
    unreachable = 0
    for number, pipeline in enumerate(pipelines, start=1):
        tell(f"{number} of {len(pipelines)}: {pipeline}")
        try:
            yield from read(pipeline)
        except HttpError as error:
            failed.append(FailedPipeline(str(pipeline), str(error)))
            unreachable = unreachable + 1 if isinstance(error, UnreachableError) else 0
            if isinstance(error, UnauthorisedError) or unreachable == _UNREACHABLE_IN_A_ROW:
                failed += [FailedPipeline(str(one), "not asked") for one in pipelines[number:]]
                return
        else:
            unreachable = 0
