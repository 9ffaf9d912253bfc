"""Send the spooled events to their targets: a process of its own, which may hang or be killed.

Called as `python -m chm.execute.send SPOOL DEAD_LETTERS SECONDS`; it prints what did not go as
it should. If it is killed, events that are stored may still be spooled: sent again, they change
nothing.
"""

import signal
import sys
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

from chm.errors import ChmError
from chm.execute.spool import SpooledEvent, locked_spool, read_event, spooled_files
from chm.ingest.deadletters import DeadLetter, append_letters
from chm.ingest.events import SourceEvent
from chm.ingest.naming import names_no_client, with_only_client
from chm.ingest.redact import cut_at_secret
from chm.ingest.run import Options, ingest
from chm.ingest.store import Store, open_store
from chm.targets import read_target

_SOURCE = "exec"
# So many at a time, so that a call which is killed after a while has sent some.
_AT_A_TIME = 500

_Spooled = tuple[Path, SpooledEvent]


def send_spooled(folder: Path, dead_letters: Path) -> list[str]:
    """Send all events of a spool and remove them from it; return what is to be told.

    Events that the target refuses go to the dead letters; those of a target that can't be
    written stay.
    """
    with locked_spool(folder):
        spooled = list(_readable(folder, dead_letters))
        spooled.sort(key=lambda one: (one[1].target, one[1].register, one[0]))
        told = []
        for target, group in groupby(spooled, key=lambda one: one[1].target):
            events = list(group)
            try:
                refused = _send_to(target, events, dead_letters)
            except ChmError as error:
                told.append(f"not sent to target '{target}', kept in {folder}: {error}")
            else:
                if refused:
                    told.append(f"events refused: {refused}, see {dead_letters}")
        return told


def _readable(folder: Path, dead_letters: Path) -> Iterator[_Spooled]:
    for path in spooled_files(folder):
        event = read_event(path)
        if event:
            yield path, event
        else:
            text = cut_at_secret(path.read_text("utf-8", "replace"))
            letter = DeadLetter("is no spooled event", _SOURCE, str(path), {"unread": text})
            append_letters(dead_letters, [letter])
            path.unlink()


def _send_to(target: str, spooled: list[_Spooled], dead_letters: Path) -> int:
    """Send events to one target; return how many it refused."""
    refused = 0
    with open_store(read_target(target)) as store:
        for register, group in groupby(spooled, key=lambda one: one[1].register):
            events = list(group)
            options = Options(_SOURCE, dead_letters, register=register)
            for start in range(0, len(events), _AT_A_TIME):
                some = events[start : start + _AT_A_TIME]
                refused += ingest(_source_events(some, store), store, options).refused
                for path, _ in some:
                    path.unlink()
    return refused


def _source_events(spooled: list[_Spooled], store: Store) -> list[SourceEvent]:
    events = [(path, spooled_event.event) for path, spooled_event in spooled]
    if any(names_no_client(event) for _, event in events):
        with store.transaction(registers=False):
            known = store.pipelines()
        events = [(path, with_only_client(event, known)) for path, event in events]
    return [SourceEvent(event, str(path)) for path, event in events]


def main() -> None:
    """See the module."""
    folder, dead_letters, seconds = sys.argv[1:]
    # What takes longer is ended by this signal.
    signal.alarm(int(seconds))
    try:
        told = send_spooled(Path(folder), Path(dead_letters))
    except (ChmError, OSError) as error:
        told = [f"events are kept in {folder}: {error}"]
    print("\n".join(told))  # noqa: T201


if __name__ == "__main__":
    main()
