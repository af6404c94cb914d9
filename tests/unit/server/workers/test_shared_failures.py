"""Where workers count failures in a row together: which host has which cells."""

from __future__ import annotations

import pytest

from dataplane.base.address import Address, SocketAddress
from dataplane.base.failures import ERRORS
from dataplane.server.workers import blocks as allotting
from dataplane.server.workers.shared_failures import FailureBlocks, FailureTable


def address(port: int) -> Address:
    return SocketAddress("10.0.0.1", port)


def test_workers_with_mappings_of_their_own_count_together_and_the_main_process_ends_a_row() -> None:
    main = FailureTable.create(2)
    one, other = (FailureTable(main.descriptor, 2).failures(7, worker) for worker in range(2))
    assert [one.add(ERRORS), other.add(ERRORS), one.add(ERRORS)] == [1, 2, 3]
    main.failures(7).end(ERRORS)
    assert other.add(ERRORS) == 1
    assert FailureTable(main.descriptor, 2).failures(8, 0).add(ERRORS) == 1


def test_hosts_have_blocks_as_long_as_they_are_there() -> None:
    blocks = FailureBlocks(FailureTable.create(2))
    first = blocks.follow("app", [address(1), address(2)])
    assert first == {address(1): 0, address(2): 1}
    assert blocks.follow("other", [address(1)]) == {address(1): 2}
    assert blocks.follow("app", [address(2), address(3)]) == {address(2): 1, address(3): 0}
    assert blocks.follow("app", ()) == {}
    assert blocks.follow("app", [address(9)]) == {address(9): 1}


def test_a_block_that_is_used_again_begins_without_the_failures_of_the_host_before() -> None:
    table = FailureTable.create(2)
    blocks = FailureBlocks(table)
    blocks.follow("app", [address(1)])
    for _ in range(4):
        table.failures(0, 1).add(ERRORS)
    blocks.follow("app", [address(2)])
    blocks.follow("app", [address(3)])
    assert table.failures(0, 0).add(ERRORS) == 1


def test_a_host_beyond_the_last_block_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(allotting, "BLOCKS", 2)
    blocks = FailureBlocks(FailureTable.create(1))
    assert blocks.follow("app", [address(port) for port in range(4)]) == {address(0): 0, address(1): 1}
    assert blocks.follow("app", [address(3)]) == {address(3): 0}
