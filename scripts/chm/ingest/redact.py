"""Replace what looks like a secret in a source event.

Rather too much than too little: what is replaced here is gone, what is not is stored.
"""

import re
from functools import lru_cache
from typing import Any

REPLACEMENT = "***"

# Parts of a name, lower case and without punctuation, that make its value a secret.
SECRET_NAMES = ("token", "password", "passwd", "passphrase", "pwd", "secret", "authorization",
                 "apikey", "privatekey")  # fmt: skip
_NAME = (
    r"[\w.-]*(?:token|password|passwd|passphrase|pwd|secret|authorization"
    r"|api[\s_.-]?key|private[\s_.-]?key)[\w.-]*"
)
# A quoted value (also one whose closing quote is missing or escaped), or a bare word.
_VALUE = (
    r"(?:\\*\"(?:[^\"\\]|\\(?!\")[\s\S])*(?:\\*\"|$)|\\*'[^'\\]*(?:\\*'|$)"
    r"|(?:basic|bearer|digest|token)\s+[^\s,;&}\]\"']+|[^\s,;&}\]\"']+)"
)
_PATTERNS = (
    (
        re.compile(
            r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY[\s\S]*?(?:-----END [A-Z0-9 ]*PRIVATE KEY-----|$)"
        ),
        REPLACEMENT,
    ),
    (re.compile(r"(?i)\b([a-z][a-z0-9+.-]*://)[^\s/?#\"']*@"), rf"\1{REPLACEMENT}@"),
    (re.compile(rf"(?i)({_NAME}\\*[\"']?\s*(?:=>|[:=])\s*){_VALUE}"), rf"\1{REPLACEMENT}"),
    (re.compile(rf"(?i)(--?{_NAME}\s+)(?!-){_VALUE}"), rf"\1{REPLACEMENT}"),
    (re.compile(r"(?i)\b(bearer\s+)(?:token\s+)?[^\s,;&}\]\"'\\]+"), rf"\1{REPLACEMENT}"),
)
# Where the structure can't be read, nobody knows how far a secret goes. A letter that is written
# as its number may hide a name.
_BEGINNING = re.compile(rf"(?i){_NAME}|bearer\s|://[^\s/?#\"']*@|PRIVATE KEY|\\u00")
_LONGEST_NAME = 64
# The names of fields come again and again.
_CACHED_NAMES = 4096


def redact(value: Any) -> Any:  # noqa: ANN401
    """Return the value of a source event, at any depth, with its secrets replaced.

    Replaced are values under a name that holds token, password, secret, authorization, api_key
    or the like, in any spelling; bearer tokens, `password=` and the like, credentials in URLs and
    private keys inside texts and names; and the value beside such a name in a list or in a pair
    of name and value.
    """
    if isinstance(value, str):
        return redact_text(value)
    if isinstance(value, dict):
        return _redact_dict(value)
    if isinstance(value, list):
        return _redact_list(value)
    return value


def redact_text(text: str) -> str:
    """Return the text with the secrets in it replaced."""
    if not _has_marker(text.lower()):
        return text
    for pattern, replacement in _PATTERNS:
        text = pattern.sub(replacement, text)
    return text


def _has_marker(text: str) -> bool:
    """Whether a lower-case text may hold a secret; spelled out, for it is asked of every text."""
    return (
        "://" in text
        or "token" in text
        or "pass" in text
        or "pwd" in text
        or "secret" in text
        or "authorization" in text
        or "api" in text
        or "bearer" in text
        or "private" in text
    )


def cut_at_secret(text: str) -> str:
    """Return a text that can't be read as an event up to what looks like its first secret."""
    found = _BEGINNING.search(text)
    return text if found is None else text[: found.start()] + REPLACEMENT


@lru_cache(_CACHED_NAMES)
def is_secret_name(name: str) -> bool:
    """Return whether what bears this name is a secret."""
    letters = "".join(character for character in name.lower() if character.isalnum())
    return any(part in letters for part in SECRET_NAMES)


def _redact_dict(fields: dict[str, Any]) -> dict[str, Any]:
    named_secret = ("value" in fields or "values" in fields) and any(
        _is_name(fields.get(key)) for key in ("name", "key", "field", "header")
    )
    return {
        _redact_name(key): _hidden(value)
        if is_secret_name(key) or (named_secret and key in ("value", "values"))
        else redact(value)
        for key, value in fields.items()
    }


@lru_cache(_CACHED_NAMES)
def _redact_name(name: str) -> str:
    return redact_text(name)


def _redact_list(values: list[Any]) -> list[Any]:
    return [
        _hidden(value) if position and _is_name(values[position - 1]) else redact(value)
        for position, value in enumerate(values)
    ]


def _is_name(value: object) -> bool:
    """Whether the value beside this one is a secret: a short word, such as --password."""
    return (
        isinstance(value, str)
        and len(value) <= _LONGEST_NAME
        and value.isprintable()
        and not any(mark in value for mark in " =:")
        and is_secret_name(value)
    )


def _hidden(value: object) -> object:
    return value if value is None or isinstance(value, bool) or value == "" else REPLACEMENT
