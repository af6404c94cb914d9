"""Whose turn it is to accept a connection, where several processes accept on one socket and ought to have equally many.

Here: comparing.  Not here: accepting (listener.balanced_accepting), where the cells are (server.workers.shared_counts).
The rule of base.counts holds: a process writes its own cells only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Place:
    """Where one process has its cells: connections it has, connections it ever accepted, how often it said that it turns."""

    active: int
    accepted: int
    beats: int


class Turns:
    """Over cells of 64 bits.  places: of every process; ours is *own*."""

    __slots__ = ("_beats", "_cells", "_others", "_own", "_places", "_rivals")

    def __init__(self, cells: memoryview[int], places: Sequence[Place], own: int) -> None:
        self._cells = cells
        self._places = tuple(places)
        self._own = places[own]
        self._others = [each for each in places if each is not self._own]
        self._rivals = self._others
        self._beats = [-1] * len(self._others)

    @property
    def is_ours(self) -> bool:
        """Whether nobody who takes turns has fewer connections."""
        cells = self._cells
        active = cells[self._own.active]
        return all(cells[each.active] >= active for each in self._rivals)

    def leave_out_the_still(self) -> None:
        """From now on those take turns who have said that they turn since the last call."""
        beats = [self._cells[each.beats] for each in self._others]
        self._rivals = [each for each, now, before in zip(self._others, beats, self._beats, strict=True) if now != before]
        self._beats = beats

    @property
    def accepted(self) -> int:
        """How many connections all have accepted: as long as it does not change, nobody has taken what waits."""
        return sum(self._cells[each.accepted] for each in self._places)

    def on_accepted(self) -> None:
        self._cells[self._own.accepted] += 1

    def add(self, amount: int) -> None:
        """Connections of this process."""
        self._cells[self._own.active] += amount
