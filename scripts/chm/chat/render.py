"""What came of an import, as lines for a terminal."""

from collections import Counter
from collections.abc import Iterable

from chm.chat.importer import Import
from chm.validate import Violation
from chm.words import counted


def warnings(found: Import, limit: int) -> list[str]:
    """Return the violations of level W, at most `limit` of each rule, and how many there are."""
    broken = [violation for violation in found.violations if violation.level == "W"]
    if not broken:
        return []
    return [*_capped(broken, limit), f"{counted(len(broken), 'warning')}; warnings do not stop"]


def refusal(found: Import, limit: int) -> list[str]:
    """Return why the import was refused: at most `limit` violations of each rule, then a sum."""
    broken = [violation for violation in found.violations if violation.level == "E"]
    counts = Counter(violation.rule for violation in broken)
    rules = ", ".join(f"{rule} {count:,}" for rule, count in counts.items())
    total = f"refused: {counted(len(broken), 'error')} ({rules}); nothing was written"
    return [total, *_capped(broken, limit)]


def _capped(violations: Iterable[Violation], limit: int) -> list[str]:
    shown: Counter[str] = Counter()
    lines = []
    for violation in violations:
        shown[violation.rule] += 1
        if shown[violation.rule] <= limit:
            lines.append(str(violation))
    lines += [
        f"{rule}: {count - limit:,} more, --limit shows them"
        for rule, count in shown.items()
        if count > limit
    ]
    return lines
