"""Find the blocks of a chat model's answer: what stands between code fences, and the prose.

Chats, word processors and blogs spoil fences: three backticks become typographic quotes, a list
item indents them, a quotation puts `>` before them. All of these open and close a block here.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

# How many of the three characters of a fence each stands for; “ is made of two backticks.
_WEIGHTS = dict.fromkeys("`´‘’‚‛ʼˋ′‵'", 1) | dict.fromkeys("“”„‟″", 2) | {"~": 1}  # noqa: RUF001
_FENCE_WEIGHT = 3
_RUN = f"[{re.escape(''.join(_WEIGHTS))}]{{2,}}"
_OPENING = re.compile(
    rf"(?P<prefix>(?:[ \t\u00a0]|>|[-*+][ \t]|\d{{1,3}}[.)][ \t])*)(?P<run>{_RUN})(?P<label>.*)"
)
# Prose may begin with typographic quotes too; behind a fence of them stands a label, if anything.
_LABEL = re.compile(r"\{?\.?[A-Za-z][\w.+-]*\}?(?:[ :]+\S*[=.:]\S*.*)?")
_MARKDOWN = {"markdown", "md"}


@dataclass(frozen=True)
class Line:
    """A line of an answer: its number, from 1, and its text without the line end."""

    number: int
    text: str


@dataclass(frozen=True)
class Block:
    """The lines inside one fence, which opens at line `opened_at` and bears `label`.

    `is_fenced` is false for lines of prose.
    """

    label: str
    opened_at: int
    lines: tuple[Line, ...]
    is_fenced: bool = True


@dataclass(frozen=True)
class UnclosedFence:
    """A fence that opens at line `opened_at` and is not closed before line `seen_at`.

    `seen_at` is where another fence opens, None at the end of the answer.
    """

    opened_at: int
    seen_at: int | None


@dataclass(frozen=True)
class _Fence:
    opened_at: int
    run: str
    label: str
    indent: int
    quoted: bool


def split_lines(text: str) -> list[Line]:
    """Return the lines of a text with any of the three line ends."""
    text = text.replace("\r\n", "\n")
    if "\n" not in text:
        text = text.replace("\r", "\n")
    return [Line(number, line) for number, line in enumerate(text.split("\n"), start=1)]


def find_blocks(lines: Iterable[Line]) -> Iterator[Block | UnclosedFence]:
    """Yield fenced blocks and stretches of prose in their order, and every fence left open."""
    wrappers: list[_Fence] = []
    prose: list[Line] = []
    content: list[Line] = []
    fence: _Fence | None = None
    for line in lines:
        found = _fence(line)
        if fence is None:
            if found is None:
                prose.append(line)
                continue
            if prose:
                yield Block("", prose[0].number, tuple(prose), is_fenced=False)
                prose = []
            if wrappers and _closes(found, wrappers[-1]):
                wrappers.pop()
            elif found.label.lower() in _MARKDOWN:
                # A whole answer inside a fence of its own: look for blocks in it.
                wrappers.append(found)
            else:
                fence, content = found, []
        elif found is not None and _closes(found, fence):
            yield from _closed(fence, content)
            fence = None
        elif found is not None and found.label and _is_as_strong(found, fence):
            if not fence.label and not any(before.text.strip() for before in content):
                # A fence around a fence, both of the same length.
                wrappers.append(fence)
            else:
                yield UnclosedFence(fence.opened_at, line.number)
            fence, content = found, []
        else:
            content.append(replace(line, text=_unindented(line.text, fence)))
    if prose:
        yield Block("", prose[0].number, tuple(prose), is_fenced=False)
    yield from (UnclosedFence(left.opened_at, None) for left in wrappers)
    if fence is not None:
        yield UnclosedFence(fence.opened_at, None)


def _closed(fence: _Fence, content: Sequence[Line]) -> Iterator[Block | UnclosedFence]:
    first = next((line for line in content if line.text.strip()), None)
    inner = _fence(first) if first and not fence.label else None
    if inner is not None and inner.label:
        yield from find_blocks(content)
    else:
        yield Block(fence.label, fence.opened_at, tuple(content))


def _fence(line: Line) -> _Fence | None:
    """Read the line as a fence; one without a label may open or close."""
    found = _OPENING.fullmatch(line.text)
    if found is None:
        return None
    run, label = found["run"], found["label"].strip()
    if sum(_WEIGHTS[character] for character in run) < _FENCE_WEIGHT:
        return None
    kinds = set(run)
    if "~" in kinds and len(kinds) > 1:
        return None
    if kinds == {"`"}:
        if "`" in label:
            return None
    elif label and kinds != {"~"} and not _LABEL.fullmatch(label):
        return None
    prefix = found["prefix"]
    return _Fence(line.number, run, label, len(prefix), ">" in prefix)


def _closes(found: _Fence, opened: _Fence) -> bool:
    return not found.label and _is_as_strong(found, opened)


def _is_as_strong(found: _Fence, opened: _Fence) -> bool:
    """Whether a fence is of a kind with the one that is open, and no shorter."""
    kinds, open_kinds = _kind(found.run), _kind(opened.run)
    if kinds != open_kinds and "odd" not in (kinds, open_kinds):
        return False
    if "tilde" in (kinds, open_kinds) and kinds != open_kinds:
        return False
    if kinds == open_kinds != "odd":
        return len(found.run) >= len(opened.run)
    return True


def _kind(run: str) -> str:
    kinds = {"`": "backtick", "~": "tilde", "'": "apostrophe"}
    return kinds.get(run[0], "odd") if len(set(run)) == 1 else "odd"


def _unindented(text: str, fence: _Fence) -> str:
    """Drop the blanks (and the `>`) that the fence has before it too, but nothing else."""
    blanks = " \t\u00a0>" if fence.quoted else " \t\u00a0"
    start = 0
    while start < min(fence.indent, len(text)) and text[start] in blanks:
        start += 1
    return text[start:]
