"""Whoever reads the board whenever it likes ends up with what is on it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dataplane.server.workers.board import Behind, Board, Key

KEYS = [Key("resource", name, "type") for name in "abc"] + [Key("generation")]


class Reader:
    """A worker, as far as the board knows."""

    def __init__(self, board: Board) -> None:
        self.behind: Behind = board.reader()
        self.facts: dict[Key, object] = {}

    def read(self) -> None:
        changed, gone = self.behind.take()
        self.facts.update(changed)
        for key in gone:
            self.facts.pop(key, None)


steps = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.sampled_from(KEYS), st.integers()),
        st.tuples(st.just("drop"), st.sampled_from(KEYS), st.just(0)),
        st.tuples(st.just("read"), st.sampled_from([0, 1]), st.just(0)),
    )
)


@given(steps)
def test_a_reader_that_caught_up_has_every_fact(taken: list[tuple[str, object, int]]) -> None:
    board = Board()
    readers = [Reader(board), Reader(board)]
    for what, target, value in taken:
        match what, target:
            case "put", Key() as key:
                board.put(key, value)
            case "drop", Key() as key:
                board.drop(key)
            case "read", int() as number:
                readers[number].read()
    latecomer = Reader(board)
    for reader in (*readers, latecomer):
        reader.read()
        assert reader.facts == board.facts
        assert not reader.behind


def test_a_fact_that_changed_often_is_told_once() -> None:
    board = Board()
    reader = board.reader()
    for value in range(5):
        board.put(KEYS[0], value)
    assert reader.take() == ({KEYS[0]: 4}, [])
    assert not reader


def test_a_fact_that_came_and_went_is_told_as_gone() -> None:
    board = Board()
    reader = board.reader()
    board.put(KEYS[0], 1)
    board.drop(KEYS[0])
    assert reader.take() == ({}, [KEYS[0]])


def test_a_reader_that_left_is_told_nothing() -> None:
    board = Board()
    reader = board.reader()
    board.forget(reader)
    board.put(KEYS[0], 1)
    assert not reader
