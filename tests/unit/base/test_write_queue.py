"""Writes of one pass: everybody's turn comes, whatever another one's does."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from dataplane.base.write_queue import WriteQueue


class Writer:
    def __init__(self, error: Exception | None = None) -> None:
        self.flushed = 0
        self._error = error

    def flush(self) -> None:
        self.flushed += 1
        if self._error is not None:
            raise self._error


def test_one_that_fails_takes_nobody_elses_turn() -> None:
    soon: list[Callable[[], None]] = []
    queue = WriteQueue(soon.append)
    writers = [Writer(), Writer(ValueError("a mistake of ours")), Writer(), Writer()]
    for writer in writers:
        queue.add(writer)
    with pytest.raises(ValueError, match="a mistake of ours"):
        soon.pop(0)()
    assert [writer.flushed for writer in writers] == [1, 1, 0, 0]
    soon.pop(0)()
    assert [writer.flushed for writer in writers] == [1, 1, 1, 1]
    assert not soon
