"""Numbers with their nouns, for messages."""


def counted(number: int, singular: str, plural: str | None = None) -> str:
    """Return a number with its noun: "1 file", "2 files"; `plural` if that is not with an s."""
    noun = singular if number == 1 else plural or f"{singular}s"
    return f"{number:,} {noun}"
