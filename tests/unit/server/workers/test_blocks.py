"""Which blocks of a shared table nobody has."""

from __future__ import annotations

import logging

import pytest

from dataplane.server.workers import blocks
from dataplane.server.workers.blocks import FreeBlocks


def test_blocks_are_handed_out_in_order_behind_those_that_never_are() -> None:
    free = FreeBlocks("", reserved=1)
    assert [free.take(), free.take()] == [1, 2]
    assert free.used == 3


def test_the_block_that_was_given_back_first_is_used_first() -> None:
    free = FreeBlocks("")
    taken = [free.take() for _ in range(3)]
    free.give_back([2, 0])
    assert [free.take(), free.take(), free.take()] == [2, 0, len(taken)]


def test_a_block_that_may_not_be_used_yet_stays_where_it_is() -> None:
    clear: set[int] = set()
    free = FreeBlocks("", may_reuse=clear.__contains__)
    free.give_back([free.used])
    assert free.take() == 0
    assert free.take() == 1
    clear.add(0)
    assert free.take() == 0


def test_that_there_are_no_more_is_said_once(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(blocks, "BLOCKS", 2)
    free = FreeBlocks("things: less of them", reserved=1)
    with caplog.at_level(logging.WARNING, "main"):
        assert [free.take(), free.take(), free.take()] == [1, None, None]
    assert [record.getMessage() for record in caplog.records] == ["more than 1 things: less of them"]
