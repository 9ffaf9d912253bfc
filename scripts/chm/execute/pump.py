"""Pass a job's standard error on, byte for byte, and keep its end."""

import os
import select
import subprocess
from threading import Thread
from typing import IO

from chm.execute.signals import HeldSignals
from chm.execute.tail import Tail

_STDERR = 2
_CHUNK = 64 * 1024
# A pipe holds no more than this when its writer ends.
_LARGEST_PIPE = 1024 * 1024


class StderrPump:
    """Copies `source` to standard error in a thread, until its end or `finish`."""

    def __init__(self, source: IO[bytes], signals: HeldSignals) -> None:
        self.tail = Tail()
        self._source = source
        self._signals = signals
        self._wake_reader, self._wake_writer = os.pipe()
        self._is_at_end = False
        self._thread = Thread(target=self._run, daemon=True)
        self._thread.start()

    def finish(self) -> None:
        """Pass on what the job has written before its end.

        Processes that the job leaves behind may still write: a `cat` goes on passing that on,
        as nobody would wait for them if chm were not there.
        """
        os.write(self._wake_writer, b".")
        self._thread.join()
        if not self._is_at_end:
            try:
                subprocess.Popen(
                    ["cat"],
                    stdin=self._source,
                    stdout=_STDERR,
                    stderr=subprocess.DEVNULL,
                    preexec_fn=self._signals.release,
                )
            except OSError:
                # Without cat, what is left behind writes to nobody.
                return

    def _run(self) -> None:
        source = self._source.fileno()
        poller = select.poll()
        poller.register(source, select.POLLIN)
        poller.register(self._wake_reader, select.POLLIN)
        left = _LARGEST_PIPE
        while left > 0:
            ready = {descriptor for descriptor, _ in poller.poll()}
            if source not in ready:
                return
            data = os.read(source, _CHUNK)
            if not data or not _write(data):
                # Where nobody reads standard error any more, the job is told so by its own pipe.
                self._is_at_end = True
                self._source.close()
                return
            self.tail.add(data)
            if self._wake_reader in ready:
                left -= len(data)


def _write(data: bytes) -> bool:
    """Write all of it to standard error; False if nobody reads that any more."""
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(_STDERR, view) :]
        except BlockingIOError:
            select.select([], [_STDERR], [])
        except BrokenPipeError:
            return False
        except OSError:
            # A full disk, a closed descriptor: the job goes on without.
            return True
    return True
