"""The runs of blocks in a file format: lines of CSV, or Arrow tables for Parquet."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from chm.contract import load_contract
from chm.generate.blocks import Block, fill_runs
from chm.generate.config import GenerateConfig
from chm.generate.history import History
from chm.generate.plan import NONE
from chm.generate.planner import first_day, table_days
from chm.generate.runs import Runs, new_runs
from chm.generate.text_rows import Strings, Wording, column_texts, csv_rows
from chm.generate.wording import make_wording, status_words
from chm.runs_layout import RUNS_COLUMNS

# What a row holds besides the texts of its wording: ids, instants, numbers and commas.
_FIXED_BYTES = 320
_MICROSECONDS = 1_000_000


def _longest(texts: Strings) -> int:
    return int(np.diff(texts.start).max(initial=0))


def row_bound(wording: Wording) -> int:
    """Return a number of bytes that no row exceeds."""
    texts = (wording.head, wording.opening, wording.body, wording.tail, wording.text)
    return _FIXED_BYTES + sum(_longest(part) for part in texts)


@dataclass(frozen=True)
class Lines:
    """Lines of CSV: `content` holds them, `ends` the end of each in it."""

    content: NDArray[np.uint8]
    ends: NDArray[np.int64]


class CsvFormat:
    """Writes blocks as lines of CSV into buffers that can be used again."""

    def __init__(self, config: GenerateConfig, history: History) -> None:
        assert load_contract().tables["runs"].column_names == RUNS_COLUMNS
        self._plan = history.plan
        self._wording = make_wording(
            config, history.pipelines, history.texts.rows, first_day(config),
            table_days(config), is_csv=True,
        )  # fmt: skip
        most = max((block.rows for block in history.blocks), default=0)
        self._capacity = most
        self.buffer_bytes = max(1, most * row_bound(self._wording))
        self.header = (",".join(RUNS_COLUMNS) + "\n").encode()

    def room(self) -> Runs:
        """Return room for the runs of any block."""
        return new_runs(self._capacity)

    def lines(self, block: Block, room: Runs, buffer: NDArray[np.uint8]) -> Lines:
        """Return the lines of a block, written into `buffer`."""
        fill_runs(self._plan, block, room)
        ends = np.empty(block.rows, np.int64)
        size = csv_rows(self._plan, self._wording, room, buffer, ends)
        return Lines(buffer[:size], ends)


class ParquetFormat:
    """Writes blocks as Arrow tables: ids as UUIDs, instants in UTC, texts that repeat once."""

    def __init__(self, config: GenerateConfig, history: History) -> None:
        self._plan = history.plan
        self._wording = make_wording(
            config, history.pipelines, history.texts.rows, first_day(config),
            table_days(config), is_csv=False,
        )  # fmt: skip
        self._pipeline_ids = np.array(
            [list(uuid.UUID(pipeline.id).bytes) for pipeline in history.pipelines], np.uint8
        )
        self._statuses = pa.array(status_words())
        self._messages, self._message_of = _dictionary([text[0] for text in history.texts.rows])
        self._reasons, self._reason_of = _dictionary([text[1] for text in history.texts.rows])
        self.schema = self.table(Block(self._plan.start, self._plan.start, 0)).schema

    def table(self, block: Block) -> pa.Table:
        """Return the runs of a block."""
        rows = block.rows
        runs = new_runs(rows)
        fill_runs(self._plan, block, runs)
        ids = np.empty(16 * rows, np.uint8)
        keys, payloads = self._room(self._wording.key, rows), self._room(self._wording.body, rows)
        key_ends, payload_ends = np.empty(rows + 1, np.int32), np.empty(rows + 1, np.int32)
        column_texts(self._plan, self._wording, runs, ids, keys, key_ends, payloads, payload_ends)
        is_running = runs.finish == NONE
        columns = {
            "id": _uuids(ids, rows),
            "pipeline_id": _uuids(self._pipeline_ids[runs.pipeline], rows),
            "external_run_id": _texts(keys, key_ends),
            "status": pa.DictionaryArray.from_arrays(runs.status.astype(np.int8), self._statuses),
            "started_at": _instants(runs.start),
            "finished_at": _instants(runs.finish, is_running),
            "duration_seconds": pa.array(
                (runs.finish - runs.start).astype(np.int32), mask=is_running
            ),
            "rows_processed": pa.array(runs.rows, mask=runs.rows == NONE),
            "error_message": self._from(self._messages, self._message_of, runs.text),
            "status_reason": self._from(self._reasons, self._reason_of, runs.text),
            "payload": _texts(payloads, payload_ends),
            "ingested_at": _instants(runs.ingested),
            "created_at": _instants(runs.start),
            "updated_at": _instants(np.where(is_running, runs.start, runs.finish)),
        }
        return pa.table([columns[name] for name in RUNS_COLUMNS], names=list(RUNS_COLUMNS))

    def _room(self, texts: Strings, rows: int) -> NDArray[np.uint8]:
        return np.empty(rows * (_FIXED_BYTES + _longest(texts)) + 1, np.uint8)

    def _from(
        self, values: pa.Array, number_of: NDArray[np.int32], text: NDArray[np.int64]
    ) -> pa.DictionaryArray:
        numbers = number_of[text]
        return pa.DictionaryArray.from_arrays(
            pa.array(numbers, mask=(text == NONE) | (numbers == NONE)), values
        )


def _dictionary(texts: Sequence[str]) -> tuple[pa.Array, NDArray[np.int32]]:
    """The distinct texts, and for each row the number of its text; NONE where it is empty."""
    numbers = {text: number for number, text in enumerate(dict.fromkeys(filter(None, texts)))}
    # The last place is what a run without a text reads.
    of_row = [numbers.get(text, NONE) for text in texts] + [NONE]
    return pa.array(list(numbers), pa.string()), np.array(of_row, np.int32)


def _uuids(content: NDArray[np.uint8], rows: int) -> pa.ExtensionArray:
    storage = pa.FixedSizeBinaryArray.from_buffers(
        pa.binary(16), rows, [None, pa.py_buffer(np.ascontiguousarray(content))]
    )
    return pa.ExtensionArray.from_storage(pa.uuid(), storage)


def _texts(content: NDArray[np.uint8], ends: NDArray[np.int32]) -> pa.StringArray:
    size = int(ends[-1])
    return pa.StringArray.from_buffers(
        len(ends) - 1, pa.py_buffer(ends), pa.py_buffer(content[:size])
    )


def _instants(seconds: NDArray[np.int64], mask: NDArray[np.bool_] | None = None) -> pa.Array:
    return pa.array(seconds * _MICROSECONDS, pa.timestamp("us", tz="UTC"), mask=mask)
