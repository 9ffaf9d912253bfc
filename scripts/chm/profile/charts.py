"""Charts of block characters: bars and sparklines."""

from collections.abc import Sequence

_EIGHTHS = " ▏▎▍▌▋▊▉█"
_LEVELS = "▁▂▃▄▅▆▇█"


def bar(value: float, greatest: float, width: int) -> str:
    """Return a bar that is `width` characters long for the greatest value, empty for 0.

    Any value above 0 is seen.
    """
    if value <= 0 or greatest <= 0:
        return ""
    eighths = max(1, round(value / greatest * width * 8))
    return _EIGHTHS[-1] * (eighths // 8) + _EIGHTHS[eighths % 8].strip()


def sparkline(values: Sequence[float | None], greatest: float) -> str:
    """Return one character a value: the lowest block for 0, a space where there is none."""
    top = len(_LEVELS) - 1
    return "".join(
        " "
        if value is None
        else _LEVELS[0 if greatest <= 0 or value <= 0 else max(1, round(value / greatest * top))]
        for value in values
    )
