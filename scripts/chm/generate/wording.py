"""The texts that a data set's rows are put together from, and the pools behind them."""

import csv
import io
import json
from collections.abc import Sequence
from datetime import date, timedelta

import numpy as np

from chm.contract import load_contract
from chm.generate.arithmetic import CERTAIN
from chm.generate.config import GenerateConfig
from chm.generate.fleet import Pipeline
from chm.generate.plan import CANCELED, FAILED, RUNNING, SKIPPED, SUCCESS, Pools
from chm.generate.text_pools import TextPool, fill
from chm.generate.text_rows import Wording, strings

_STATUS_WORDS = {
    SUCCESS: "success",
    FAILED: "failed",
    CANCELED: "canceled",
    SKIPPED: "skipped",
    RUNNING: "running",
}
_TRIGGERS = ("schedule", "retry", "manual")
_EPOCH = date(1970, 1, 1)
Text = tuple[str, str]


class Texts:
    """The filled texts of a data set in a row, and where each pool's lie.

    `rows` are pairs of error_message and status_reason.
    """

    def __init__(self, config: GenerateConfig, pools: Sequence[TextPool]) -> None:
        self.rows: list[Text] = []
        self._ranges: list[tuple[int, int]] = []
        self._config = config
        self._pools = {(pool.platform, pool.cause): pool for pool in pools}
        self._numbers: dict[tuple[str, ...], int] = {}

    def special(self, platform: str, cause: str) -> int:
        """Return the number of the pool of a planted cause."""
        return self._number([self._pools[platform, cause]])

    def common(self, platform: str, status: str) -> int:
        """Return the number of one pool that joins all unplanned causes of a status."""
        return self._number([pool for pool, _ in self.causes(platform, status)])

    def causes(self, platform: str, status: str) -> list[tuple[TextPool, int]]:
        """Return the pools of a status's unplanned causes, and their weights."""
        return [
            (pool, pool.weight)
            for pool in self._pools.values()
            if pool.platform == platform and pool.kind == status and not pool.is_special
        ]

    def number(self, pool: TextPool) -> int:
        """Return the number of a pool."""
        return self._number([pool])

    def ranges(self) -> tuple[list[int], list[int]]:
        """Return first row and number of rows of each numbered pool."""
        return [first for first, _ in self._ranges], [count for _, count in self._ranges]

    def _number(self, pools: list[TextPool]) -> int:
        key = tuple(f"{pool.platform}/{pool.cause}" for pool in pools)
        if key not in self._numbers:
            first = len(self.rows)
            for pool in pools:
                seed_text = f"{self._config.seed}/{pool.platform}/{pool.cause}"
                self.rows += fill(pool, seed_text, self._config.texts.variants)
            self._numbers[key] = len(self._ranges)
            self._ranges.append((first, len(self.rows) - first))
        return self._numbers[key]


def make_pools(texts: Texts, platforms: Sequence[str]) -> Pools:
    """Return the pools of these platforms, in their order, as compiled code reads them."""
    causes = [texts.causes(platform, "failed") for platform in platforms]
    width = max((len(row) for row in causes), default=1)
    transient = np.zeros((len(platforms), width), np.int64)
    bound = np.full((len(platforms), width), CERTAIN, np.int64)
    for row, weighted in enumerate(causes):
        whole = sum(weight for _, weight in weighted)
        passed = 0
        for column, (pool, weight) in enumerate(weighted):
            passed += weight
            transient[row, column] = texts.number(pool)
            bound[row, column] = CERTAIN * passed // whole
    by_platform = {
        "timeout": [texts.special(platform, "timeout") for platform in platforms],
        "upstream": [texts.special(platform, "upstream_failed") for platform in platforms],
        "blocked": [texts.special(platform, "upstream_skipped") for platform in platforms],
        "canceled": [texts.common(platform, "canceled") for platform in platforms],
        "skipped": [texts.common(platform, "skipped") for platform in platforms],
    }
    first, count = texts.ranges()
    return Pools(
        first=np.array(first, np.int64),
        size=np.array(count, np.int64),
        transient=transient,
        transient_bound=bound,
        **{name: np.array(numbers, np.int64) for name, numbers in by_platform.items()},
    )


def run_keys(config: GenerateConfig, pipelines: Sequence[Pipeline]) -> list[str]:
    """Return for each pipeline what its runs' external_run_id begins with; no two share it."""
    keys: dict[str, int] = {}
    for pipeline in pipelines:
        key = pipeline.key
        number = 2
        while key in keys:
            key = f"{pipeline.key}-{number}"
            number += 1
        keys[key] = 1
    return [f"{key}-b{config.runs.batch:02}-" for key in keys]


def status_words() -> list[str]:
    """Return the contract's word for each status of the generator, by number."""
    words = [_STATUS_WORDS[status] for status in sorted(_STATUS_WORDS)]
    assert set(words) <= set(load_contract().enums["run_statuses"].values)
    return words


def make_wording(
    config: GenerateConfig,
    pipelines: Sequence[Pipeline],
    texts: Sequence[Text],
    first_day: int,
    days: int,
    *,
    is_csv: bool,
) -> Wording:
    """Return the texts, escaped for CSV or plain for other formats."""
    keys = run_keys(config, pipelines)
    bodies = [_payload_body(pipeline) for pipeline in pipelines]
    tails = [f'","source":"chm-generate","trigger":"{trigger}"}}' for trigger in _TRIGGERS]
    opening = '{"attempt":'
    if is_csv:
        bodies = [body.replace('"', '""') for body in bodies]
        tails = [tail.replace('"', '""') + '"' for tail in tails]
        opening = '"' + opening.replace('"', '""')
    heads = [f",{pipeline.id},{key}" for pipeline, key in zip(pipelines, keys, strict=True)]
    dates = [(_EPOCH + timedelta(days=first_day + day)).isoformat() for day in range(days)]

    def encoded(values: Sequence[str]) -> list[bytes]:
        return [value.encode() for value in values]

    return Wording(
        first_day=first_day,
        date=strings(encoded(dates)),
        status=strings(encoded(status_words())),
        head=strings(encoded(heads)),
        key=strings(encoded(keys)),
        opening=strings([opening.encode()]),
        body=strings(encoded(bodies)),
        tail=strings(encoded(tails)),
        text=strings([_csv_fields(text) for text in texts]),
    )


def _payload_body(pipeline: Pipeline) -> str:
    values = {"environment": pipeline.environment, "platform": pipeline.platform}
    body = json.dumps(values, separators=(",", ":"))
    return f',{body[1:-1]},"scheduled_at":"'


def _csv_fields(text: Text) -> bytes:
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(text)
    # A lone empty field would be quoted, which a reader may take for a text.
    return line.getvalue().encode()
