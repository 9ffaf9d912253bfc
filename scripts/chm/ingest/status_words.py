"""The words that sources use for a run's status, beside the contract's own."""

from chm.contract import load_contract

UNKNOWN = "failed"

_WORDS = {
    "running": ("queued", "pending", "in_progress", "scheduled"),
    "success": ("succeeded", "completed", "ok", "pass"),
    "failed": ("failure", "error", "errored", "timed_out", "upstream_failed"),
    "canceled": ("cancelled", "aborted", "killed"),
}


def plain(word: str) -> str:
    """Return a word as the table spells it: lower case, joined by underscores."""
    return "_".join(word.lower().replace("-", " ").replace("_", " ").split())


def status_words() -> dict[str, str]:
    """Map every known word, the contract's statuses among them, to a status of the contract."""
    own = {status: status for status in load_contract().enums["run_statuses"].values}
    return own | {word: status for status, words in _WORDS.items() for word in words}
