"""What a credential in a text looks like, and how it is kept out of reports."""

import re

# Longer values are cut in reports; the file holds the rest.
VALUE_LENGTH = 200

# One pattern for DuckDB (RE2) and for Python, so no look-around and no back-references.
# What each alternative contains is known to chm.validate.hints too.
# A bearer token is told from prose ("bearer authentication failed") by its header, its length
# or a digit or inner punctuation.
CREDENTIAL = (
    r"(?i)"
    r"authorization[\"']?\s*[:=]\s*[\"']?bearer\s+\S"
    r"|\bbearer\s+(?:[a-z0-9._~+/-]{16}|[a-z._~+/-]*[0-9]|[a-z]+[._~+/-][a-z])"
    r"|(?:password|passwd|pwd)(?:[\"']?\s*[=:]|\\\"\s*:)"
    r"|-----BEGIN [A-Z0-9 ]*PRIVATE KEY"
    r"|\b[a-z][a-z0-9+.-]*://[^\s:/@]*:[^\s/@]+@"
)
_CREDENTIAL = re.compile(CREDENTIAL)


def mask(text: str) -> str:
    """Return the text up to its first credential-like part, the rest as `***`."""
    found = _CREDENTIAL.search(text)
    return text if found is None else text[: found.start()] + "***"


def presentable(text: str) -> str:
    """Return a value as reports show it: masked, then cut.

    In this order, since a credential that is cut would no longer look like one.
    """
    text = mask(text)
    return text if len(text) <= VALUE_LENGTH else text[:VALUE_LENGTH] + "…"
