"""Replace what looks like a secret in a source event.

Rather too much than too little: what is replaced here is gone, what is not is stored.
"""

import json
import re
from functools import lru_cache
from typing import Any

REPLACEMENT = "***"

# Parts of a name, lower case and without punctuation, that make its value a secret.
SECRET_NAMES = ("token", "password", "passwd", "passphrase", "pwd", "secret", "authorization",
                "bearer", "apikey", "privatekey")  # fmt: skip

# All repetitions below are bounded or end at what they can't hold: a long text takes time in
# proportion to its length.
_REST = r"[\w.-]{0,64}"
_NAME = (
    r"(?:token|password|passwd|passphrase|pwd|secret|authorization|bearer"
    rf"|api[\s_.-]?key|private[\s_.-]?key){_REST}"
)
_COLOURS = r"\x1b\[[0-9;]{0,16}m"
# What stands between a name and its value: quotes or marks that end the name, and a sign.
_SIGN = (
    rf"(?:\\{{0,8}}[\"'`*]|{_COLOURS}){{0,8}}+\s*+"
    rf"(?>=>|->|:=|==|[:=\uff1a]|%3[ad])(?:\s|{_COLOURS})*+"
)
# A quoted text, also one whose closing quote is missing or escaped.
_QUOTED = (
    r"(?:\\*\"(?:[^\"\\]|\\(?!\")[\s\S])*+(?:\\*\"|$)"
    r"|[bru]{0,2}\\*'(?:[^'\\]|\\(?!')[\s\S])*+(?:\\*'|$)|`[^`]*`?)"
)
# A bare word goes on behind a comma that no other name follows.
_BARE = r"(?:[^\s,;&}\]\"']|[,;&](?!\s|$|[\w.\"'%\\-]{0,64}\s*[:=%]))+"
# Up to the last bracket: nobody knows which one closes it.
_BRACKETS = r"[\[({](?:[\s\S]*[\])}]|[\s\S]*)"
_YAML_BLOCK = r"[>|][+-]?[ \t\r]*(?:\n[ \t]+[^\n]*)+"
_SCHEME = r"(?:basic|bearer|digest|token|negotiate|ntlm|api-?key)"
_VALUE = (
    # What is replaced already stays as it is.
    r"(?!\*\*\*(?:[\s,;&}\])<>\"'`\\]|$))"
    rf"(?:{_QUOTED}|{_BRACKETS}|{_YAML_BLOCK}|(?:{_SCHEME}\s+)?+(?:{_QUOTED}|{_BARE}))"
    # What a shell or a quote inside a quote adds to it.
    r"(?:[\"']?[^\s,;:&}\])>\"'\\]+[\"']?)*+"
)
_PATTERNS = tuple(
    (re.compile(f"(?i){pattern}"), replacement)
    for pattern, replacement in (
        (
            r"-{4,5} ?BEGIN [A-Z0-9 ]{0,64}PRIVATE KEY[\s\S]*?"
            r"(?:-{4,5} ?END [A-Z0-9 ]{0,64}PRIVATE KEY(?: BLOCK)? ?-{4,5}|$)",
            REPLACEMENT,
        ),
        (r"://[^\s/?#\"']*@", f"://{REPLACEMENT}@"),
        # A password with a slash or the like in it; no port.
        (
            r"://[^\s/?#\"':]{0,256}:(?![0-9]{1,5}[/?#])[^\s\"]{1,256}@",
            f"://{REPLACEMENT}@",
        ),
        # Schemes of several parts, to the end of the line.
        (
            rf"(authorization{_REST}{_SIGN})"
            rf"(?!\*\*\*|\\*[\"'`]|[\[({{]|{_SCHEME}\s+(?![\w-]+=))[^\r\n]+",
            rf"\1{REPLACEMENT}",
        ),
        (rf"({_NAME}{_SIGN}){_VALUE}", rf"\1{REPLACEMENT}"),
        (rf"((?<![\w.-])--?{_REST}?{_NAME}\s+)(?!-){_VALUE}", rf"\1{REPLACEMENT}"),
        # A list, or a pair of name and value, as some language writes it.
        (
            rf"({_NAME}\\*[\"']\s*,\s*)(?!\\*[\"'][^\"']*[\"']\s*[:=]){_QUOTED}",
            rf"\1{REPLACEMENT}",
        ),
        (
            rf"({_NAME}\\*[\"']\s*,?\s*\\*[\"']?values?\\*[\"']?\s*[:=]\s*){_VALUE}",
            rf"\1{REPLACEMENT}",
        ),
        (
            rf"(<[\w:.-]{{0,64}}?{_NAME}(?:\s[^<>]*)?>(?:<!\[CDATA\[)?)[^<]+",
            rf"\1{REPLACEMENT}",
        ),
        (rf"((?:password|passwd|passphrase|pwd)\s+){_QUOTED}", rf"\1{REPLACEMENT}"),
        (
            rf"\b(bearer\s+)(?:token\s+)?(?:{_QUOTED}|[^\s,;&}}\]\"'\\]+)",
            rf"\1{REPLACEMENT}",
        ),
    )
)
# Where the structure can't be read, nobody knows how far a secret goes. A letter that is written
# as its number may hide a name.
_BEGINNING = re.compile(rf"(?i){_NAME}|://(?:[^\s/?#\"']*[@:]|[^\s\"]{{0,512}}@)|PRIVATE KEY|\\u00")
_KEY_BEGINNING = re.compile(r"(?i)BEGIN [A-Z0-9 ]{0,64}PRIVATE KEY")
_KEY_END = re.compile(r"(?i)END [A-Z0-9 ]{0,64}PRIVATE KEY")
_NAMES_OF_PAIRS = frozenset(("name", "key", "field", "header", "variable"))
_VALUES_OF_PAIRS = frozenset(("value", "values", "val"))
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
    # A letter of a name may be written as its number, in JSON.
    if not _has_marker(text.lower()) and "\\u" not in text:
        return text
    try:
        tree = json.loads(text) if text.lstrip()[:1] in ("{", "[", '"') else None
        if isinstance(tree, dict | list | str):
            cleaned = redact(tree)
            return text if cleaned == tree else json.dumps(cleaned)
    except (ValueError, RecursionError):
        pass
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


def secret_goes_on(line: str, *, went_on: bool) -> bool:
    """Return whether a secret of a line that can't be read may go on in the next such line.

    So do a private key, and what begins behind a name at the end of a line, up to a bracket that
    begins a line. `went_on` tells whether one of the line before did.
    """
    if _KEY_BEGINNING.search(line) or _KEY_END.search(line):
        return _is_in_private_key(line, is_in_key=went_on)
    if went_on:
        return line.lstrip()[:1] not in ("{", "}", "]")
    return _BEGINNING.search(line) is not None and line.rstrip().endswith((":", "=", "[", "{", "("))


@lru_cache(_CACHED_NAMES)
def is_secret_name(name: str) -> bool:
    """Return whether what bears this name is a secret."""
    letters = "".join(character for character in name.lower() if character.isalnum())
    return any(part in letters for part in SECRET_NAMES)


def _redact_dict(fields: dict[str, Any]) -> dict[str, Any]:
    named_secret = any(
        key.lower() in _NAMES_OF_PAIRS and _is_name(value) for key, value in fields.items()
    )
    return {
        _redact_name(key): _hidden(value)
        if is_secret_name(key) or (named_secret and key.lower() in _VALUES_OF_PAIRS)
        else redact(value)
        for key, value in fields.items()
    }


@lru_cache(_CACHED_NAMES)
def _redact_name(name: str) -> str:
    return redact_text(name)


def _redact_list(values: list[Any]) -> list[Any]:
    redacted = []
    is_in_key = False
    for position, value in enumerate(values):
        is_hidden = is_in_key or (position > 0 and _is_name(values[position - 1]))
        redacted.append(_hidden(value) if is_hidden else redact(value))
        if isinstance(value, str):
            is_in_key = _is_in_private_key(value, is_in_key=is_in_key)
    return redacted


def _is_in_private_key(line: str, *, is_in_key: bool) -> bool:
    """Whether a private key goes on behind a line of a text, told whether it did before."""
    begin = [found.start() for found in _KEY_BEGINNING.finditer(line)]
    end = [found.start() for found in _KEY_END.finditer(line)]
    return max(begin) > max(end, default=-1) if begin else is_in_key and not end


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
