"""Signals while a job runs: held here, passed on to the job."""

import signal
from collections.abc import Callable
from subprocess import Popen

_FORWARDED = {
    signal.SIGTERM,
    signal.SIGINT,
    signal.SIGHUP,
    signal.SIGQUIT,
    signal.SIGUSR1,
    signal.SIGUSR2,
}
# Linux's si_code of a signal that the kernel sent: a terminal sends to the whole group.
_FROM_KERNEL = 0x80


class HeldSignals:
    """Holds the signals that would end chm, from now on, so that no run goes unrecorded."""

    def __init__(self) -> None:
        # Where it is ignored, no child could be waited for.
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        self._before = signal.pthread_sigmask(signal.SIG_BLOCK, _FORWARDED | {signal.SIGCHLD})

    def release(self) -> None:
        """Hold no signal that was not held before; to be called in a child."""
        signal.pthread_sigmask(signal.SIG_SETMASK, self._before)

    def wait(self, child: "Popen[bytes]", seconds: float, then: Callable[[], None]) -> int:
        """Wait for the child, pass every signal on to it, return its return code.

        A signal from the terminal is not passed on: the child, in the same process group, has
        got it already.

        Args:
            child: the child.
            seconds: when to call `then`, if the child still runs.
            then: is called once, beside the child.
        """
        watched = _FORWARDED | {signal.SIGCHLD}
        is_told = False
        while (code := child.poll()) is None:
            info = signal.sigwaitinfo(watched) if is_told else signal.sigtimedwait(watched, seconds)
            if info is None:
                is_told = True
                then()
            elif info.si_signo != signal.SIGCHLD and info.si_code != _FROM_KERNEL:
                child.send_signal(info.si_signo)
        return code
