"""One worker as the main process sees it.

Here: what it was told, what it has confirmed, what it was asked.  Not here: replacing it (fleet).
At most one `Facts` is under way: a worker that is slow, or stands still, delays nobody and is told the newest when it comes back.
"""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, Literal, cast

from dataplane.server.channel import Channel
from dataplane.server.workers.board import Board
from dataplane.server.workers.merge import WorkerStats
from dataplane.server.workers.messages import Applied, Ask, Connections, Facts, Start, StatsReport, Stop, Told
from dataplane.server.workers.sockets import share_of
from dataplane.server.workers.spawn import Spawned
from dataplane.upstream.facts import ClusterFacts
from dataplane.upstream.outlier_reports import OutlierReport

if TYPE_CHECKING:
    from dataplane.server.workers.sockets import Shares

_log = logging.getLogger("main")

# How long a worker that stands still has to write where, before it is killed.
_LAST_WORDS: Final = 0.2


class Member:
    """shared: descriptors of what workers count together; see messages.Start.  on_applied: it has confirmed facts.
    on_outliers: what it has seen of hosts.  on_end: its process is gone, or was ended because it broke the dialogue.
    """

    def __init__(
        self,
        spawned: Spawned,
        start: Start,
        shared: Sequence[int],
        board: Board,
        on_applied: Callable[[], None],
        on_outliers: Callable[[OutlierReport], None],
        on_end: Callable[[Member], None],
    ) -> None:
        self.index = start.index
        self._workers = start.options.concurrency
        self.stats = WorkerStats()
        self.clusters: Sequence[ClusterFacts] = ()
        self.connections = 0
        self.closed = False  # its listeners are, so that `connections` will not grow
        self.generation = 0
        self.started_at = asyncio.get_running_loop().time()
        self._spawned = spawned
        self._board = board
        self._backlog = board.reader()
        self._on_applied = on_applied
        self._on_outliers = on_outliers
        self._on_end = on_end
        self._confirmed = True
        self._ended = asyncio.Event()
        self._questions: dict[int, asyncio.Future[None]] = {}
        self._channel = Channel(spawned.socket, self._on_message, self._on_gone)
        self._channel.send(start, list(shared))

    @property
    def pid(self) -> int:
        return self._spawned.process.pid

    @property
    def up_to_date(self) -> bool:
        return self._confirmed and not self._backlog

    def feed(self) -> None:
        """Send what it does not know yet, unless it is busy with what it was told before."""
        if not self._confirmed or not self._backlog:
            return
        changed, gone = self._backlog.take()
        sockets = {key: fact for key, fact in changed.items() if key.kind == "socket"}
        shares = {key: share_of(cast("Shares", fact), self.index, self._workers) for key, fact in sockets.items()}
        descriptors = [sock.fileno() for share in shares.values() for sock in share]
        self._confirmed = False
        self._channel.send(Facts({**changed, **{key: len(share) for key, share in shares.items()}}, gone), descriptors)

    def tell(self, message: object) -> None:
        self._channel.send(message)

    async def ask(self, what: Literal["stats", "clusters"], number: int) -> None:
        """Returns when the answer is here; it may be waited for no longer, and is taken whenever it comes."""
        answered = self._questions[number] = asyncio.get_running_loop().create_future()
        self._channel.send(Ask(number, what))
        await answered

    @property
    def is_asked(self) -> bool:
        """Whether an answer is owed: a worker that stands still is not asked again and again."""
        return bool(self._questions)

    def abort(self) -> None:
        """End it because it stands still: it is asked to say where, and killed if it does not."""
        self._spawned.process.send_signal(signal.SIGABRT)
        asyncio.get_running_loop().call_later(_LAST_WORDS, self._spawned.process.kill)

    def stop(self) -> None:
        """Ask it to end.  `reap` says when it did."""
        self._channel.send(Stop())

    async def reap(self, limit: float) -> None:
        """Wait for its end, and kill it after *limit* seconds."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._ended.wait(), limit)
        self._channel.close()
        self._spawned.kill()

    def _on_message(self, message: Any, descriptors: list[int]) -> None:
        match message:
            case Applied():
                self._confirmed = True
                self.generation = message.generation
                for reason in message.refused:
                    _log.error("worker %d cannot use %s", self.index, reason)
                self.feed()
                self._on_applied()
            case Connections():
                self.connections, self.closed = message.count, message.closed
            case OutlierReport():
                self._on_outliers(message)
            case Told():
                self._take(message)

    def _take(self, told: Told) -> None:
        if isinstance(told.answer, StatsReport):
            self.stats.take(told.answer)
            self.connections = told.answer.connections
        else:
            self.clusters = told.answer
        answered = self._questions.pop(told.number, None)
        if answered is not None and not answered.done():
            answered.set_result(None)

    def _on_gone(self) -> None:
        self._board.forget(self._backlog)
        for answered in self._questions.values():
            if not answered.done():
                answered.set_result(None)
        self._questions.clear()
        self._spawned.kill()
        status = self._spawned.process.returncode
        reason = signal.Signals(-status).name if status < 0 else f"exit code {status}"
        _log.debug("worker %d (process %d) ended: %s", self.index, self.pid, reason)
        self._ended.set()
        self._on_end(self)
