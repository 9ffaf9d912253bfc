"""The text that PostgreSQL's jsonb has, so that both engines put payloads in the same order."""

import json
from decimal import Decimal

# The name of jsonb_text in DuckDB's SQL.
FUNCTION = "chm_jsonb_text"

# PostgreSQL refuses numbers of more digits before the point.
_MAX_DIGITS = 131_072


def jsonb_text(text: str) -> str:
    """Return a JSON text as PostgreSQL writes its jsonb: shorter keys first, numbers in full."""
    return _written(json.loads(text, parse_int=Decimal, parse_float=Decimal))


def _written(value: object) -> str:
    if isinstance(value, dict):
        keys = sorted(value, key=lambda key: (len(key.encode()), key.encode()))
        return "{" + ", ".join(f"{_text(key)}: {_written(value[key])}" for key in keys) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_written, value)) + "]"
    if isinstance(value, Decimal) and abs(value.adjusted()) <= _MAX_DIGITS:
        return format(value if value else abs(value), "f")
    return str(value) if isinstance(value, Decimal) else _text(value)


def _text(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
