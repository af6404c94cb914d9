"""All workers of a process: started, fed, asked, replaced when they die, stopped.

Here: which process has which place.  Not here: one worker's dialogue (member), its sockets (sockets), the sums (merge).
One process more than there are workers is kept ready, its modules imported: a worker that dies is replaced without waiting for an
interpreter to start.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import os
from collections.abc import Callable, Collection, Sequence
from typing import Final, Literal

from dataplane.observe.stats import StatsStore
from dataplane.server.options import Options
from dataplane.server.workers.board import Board
from dataplane.server.workers.member import Member
from dataplane.server.workers.merge import WorkerStats
from dataplane.server.workers.messages import Start
from dataplane.server.workers.shared_counts import Allotment
from dataplane.server.workers.spawn import Spawned, spawn
from dataplane.upstream.facts import ClusterFacts
from dataplane.upstream.outlier_reports import OutlierReport

_log = logging.getLogger("main")

# How long an operator waits for a worker that does not answer; what it told last is shown then.
_ANSWER_LIMIT: Final = 0.5
_STOP_LIMIT: Final = 5.0

# One that dies sooner is not replaced at once the next time: whatever kills it would keep a processor busy.
_SHORT_LIFE: Final = 2.0
_LONGEST_WAIT: Final = 5.0


class Fleet:
    """Made inside the running loop.

    allotment: of the counts that workers share.  failures: descriptor of those in a row that they count together.  on_outliers: what a
    worker has seen of hosts.  spawned: processes that were started already, taken first.
    """

    def __init__(
        self,
        count: int,
        options: Options,
        bootstrap: bytes,
        board: Board,
        allotment: Allotment,
        failures: int,
        stats: StatsStore,
        on_outliers: Callable[[OutlierReport], None],
        spawned: Sequence[Spawned] = (),
    ) -> None:
        self._count = count
        self._options = options
        self._bootstrap = bootstrap
        self._board = board
        self._allotment = allotment
        self._shared = (allotment.table.descriptor, failures)
        self._on_outliers = on_outliers
        self._ticket_seed = os.urandom(32)
        self._spare = list(spawned)
        self._members: dict[int, Member] = {}
        self._short_lives = [0] * count
        self._numbers = itertools.count(1)
        self._waiting: list[asyncio.Future[None]] = []  # for everybody to follow
        self._waking = False
        self._stopping = False
        self._initialized = False
        self.departed = WorkerStats()
        """Counts of workers that are gone."""
        self._generation = stats.gauge("pointsman.generation")
        self._behind = stats.gauge("pointsman.workers_behind")
        self._alive = stats.gauge("pointsman.workers")
        self._waiting_spare = stats.gauge("pointsman.workers_spare")
        self._replaced = stats.counter("pointsman.workers_replaced")

    @property
    def members(self) -> Collection[Member]:
        return self._members.values()

    @property
    def stats(self) -> dict[int, WorkerStats]:
        """What the living have told."""
        return {member.index: member.stats for member in self._members.values()}

    @property
    def connections(self) -> int:
        """How many are open downstream, as far as they have told."""
        return sum(member.connections for member in self._members.values())

    @property
    def closed(self) -> bool:
        """Whether every worker has confirmed that it accepts no more, so that `connections` only falls from now on."""
        return all(member.closed for member in self._members.values())

    @property
    def clusters(self) -> list[Sequence[ClusterFacts]]:
        return [member.clusters for member in self._members.values()]

    def start(self) -> None:
        for index in range(self._count):
            self._begin(index)

    def initialized(self) -> None:
        """The work of the start is done: there is time for a process that waits to be needed."""
        self._initialized = True
        self._keep_spare()

    def wake(self) -> None:
        """The board has changed: feed everybody, once for all changes of this step of the loop."""
        if not self._waking:
            self._waking = True
            asyncio.get_running_loop().call_soon(self._feed)

    def _feed(self) -> None:
        self._waking = False
        for member in self._members.values():
            member.feed()
        self._show_behind()

    def tell(self, message: object) -> None:
        for member in self._members.values():
            member.tell(message)

    async def until_followed(self) -> None:
        """Wait until every worker lives by everything that is on the board."""
        while not self._all_follow():
            followed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append(followed)
            await followed

    def _all_follow(self) -> bool:
        return len(self._members) == self._count and all(member.up_to_date for member in self._members.values())

    async def ask(self, what: Literal["stats", "clusters"]) -> None:
        """Bring what is known of the workers up to date, as far as they answer in time."""
        questions = [
            asyncio.create_task(member.ask(what, next(self._numbers))) for member in self._members.values() if not member.is_asked
        ]
        if questions:
            _, late = await asyncio.wait(questions, timeout=_ANSWER_LIMIT)
            for question in late:
                question.cancel()

    def reset_counters(self) -> None:
        """Of the living, as far as they have told."""
        for member in self._members.values():
            member.stats.reset_counters()

    def beats(self) -> dict[int, int]:
        """How often the loop of each has said that it turns."""
        table = self._allotment.table
        return {index: table.beats(index) for index in self._members}

    def abort(self, index: int) -> None:
        """End a worker that stands still; it is replaced like any that dies."""
        self._members[index].abort()

    async def stop(self) -> None:
        """End all of them, together."""
        self._stopping = True
        for member in self._members.values():
            member.stop()
        await asyncio.gather(*(member.reap(_STOP_LIMIT) for member in self._members.values()))
        while self._spare:
            self._drop(self._spare.pop())

    def _begin(self, index: int) -> None:
        if self._stopping:
            return
        start = Start(index, self._bootstrap, self._options, self._ticket_seed)
        member = self._members[index] = Member(
            self._take_spare(),
            start,
            self._shared,
            self._board,
            self._on_applied,
            self._on_outliers,
            self._on_end,
        )
        self._alive.set(len(self._members))
        member.feed()
        self._show_behind()
        if self._initialized:
            self._keep_spare()

    def _take_spare(self) -> Spawned:
        while self._spare:
            spawned = self._spare.pop(0)
            self._waiting_spare.set(0)
            if spawned.alive:
                asyncio.get_running_loop().remove_reader(spawned.socket)
                return spawned
            self._drop(spawned)
        return spawn()

    def _keep_spare(self) -> None:
        if not self._spare and not self._stopping:
            spawned = spawn()
            self._spare.append(spawned)
            asyncio.get_running_loop().add_reader(spawned.socket, self._on_spare_speaks, spawned)

    def _on_spare_speaks(self, spawned: Spawned) -> None:
        """Its first word, which stays unread for the member that it becomes; or its end."""
        loop = asyncio.get_running_loop()
        loop.remove_reader(spawned.socket)
        if spawned.alive:
            self._waiting_spare.set(1)
        else:
            self._spare.remove(spawned)
            self._drop(spawned)
            loop.call_later(_LONGEST_WAIT, self._keep_spare)

    def _drop(self, spawned: Spawned) -> None:
        asyncio.get_running_loop().remove_reader(spawned.socket)
        spawned.socket.close()
        spawned.kill()

    def _on_applied(self) -> None:
        # A generation is in use when nobody lives by an older one; a worker that has just come lives by none.
        self._generation.set(min((each.generation for each in self._members.values() if each.generation), default=0))
        self._show_behind()
        waiting, self._waiting = self._waiting, []
        for followed in waiting:
            if not followed.done():
                followed.set_result(None)

    def _show_behind(self) -> None:
        self._behind.set(self._count - sum(member.up_to_date for member in self._members.values()))

    def _on_end(self, member: Member) -> None:
        if self._stopping:
            return
        del self._members[member.index]
        self._allotment.clear(member.index)
        self.departed.add_counts(member.stats)
        self._alive.set(len(self._members))
        self._show_behind()
        self._replaced.inc()
        loop = asyncio.get_running_loop()
        short = loop.time() - member.started_at < _SHORT_LIFE
        lives = self._short_lives[member.index] = self._short_lives[member.index] + 1 if short else 0
        delay = min(_LONGEST_WAIT, 0.05 * 2**lives) if lives > 1 else 0.0
        _log.error("worker %d (process %d) died; replaced after %.1f s", member.index, member.pid, delay)
        loop.call_later(delay, self._begin, member.index)
