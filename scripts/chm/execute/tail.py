"""The end of what a job said on standard error, fit to be stored."""

import re

from chm.ingest.redact import REPLACEMENT, redact_text

LINES = 20
CHARACTERS = 4_000

# More than is stored: a secret is found by what stands before it.
_KEPT_BYTES = 64 * 1024

_CONTROL_SEQUENCE = re.compile(r"\x1b(?:\[[0-9;?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-_])")
_KEY_BEGINNING = re.compile(r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----")
_KEY_END = re.compile(r"-----END [A-Z0-9 ]*PRIVATE KEY-----")


class Tail:
    """Keeps the last bytes of a stream."""

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._is_cut = False

    def add(self, data: bytes) -> None:
        """Add what came."""
        self._bytes += data
        if len(self._bytes) > 2 * _KEPT_BYTES:
            del self._bytes[:-_KEPT_BYTES]
            self._is_cut = True

    def text(self) -> str:
        """Return the last lines as a terminal shows them, without colours and secrets."""
        text = self._bytes.decode("utf-8", "replace")
        if self._is_cut:
            text = _without_beginning(text)
        lines = [_shown(line) for line in _CONTROL_SEQUENCE.sub("", text).split("\n")]
        # Replaced before the cut to length, which might part a secret from what tells it.
        redacted = redact_text("\n".join(lines)).strip()
        return "\n".join(redacted.split("\n")[-LINES:])[-CHARACTERS:].strip()


def _without_beginning(text: str) -> str:
    """What is left without a first line, or word, that lacks its beginning."""
    _, mark, rest = text.partition("\n")
    if not mark:
        rest = "".join(text.split(None, 1)[1:])
    beginning, end = _KEY_BEGINNING.search(rest), _KEY_END.search(rest)
    if end and (not beginning or end.start() < beginning.start()):
        return REPLACEMENT + rest[end.end() :]
    return rest


def _shown(line: str) -> str:
    """A line of a progress bar as it stood at its end."""
    return line.rstrip("\r").rpartition("\r")[2].rstrip()
