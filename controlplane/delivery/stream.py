"""One xDS stream without I/O: requests in, responses out, whatever the protocol and the number of types.

Here: which type's turn it is, limits on what a client may ask for.  Not here: one type (dialogue), the proxy behind it (proxy),
gRPC (xds.ads_service).
"""

from __future__ import annotations

from collections.abc import Callable

from controlplane.base import type_url as urls
from controlplane.delivery.cache import Cache
from controlplane.delivery.delta import DeltaDialogue, DeltaRequest
from controlplane.delivery.dialogue import Dialogue
from controlplane.delivery.exchange import Answer
from controlplane.delivery.order import FOREVER, rank
from controlplane.delivery.proxy import Proxy
from controlplane.delivery.sotw import SotwDialogue, SotwRequest
from controlplane.delivery.status import EventKind, StreamKind

# Envoy speaks of about ten types, and the largest known meshes of some ten thousand clusters for one proxy.
MAX_TYPES = 64
MAX_NAMES = 100_000


class LimitExceeded(Exception):
    """A client asked for more than a stream may hold; the stream ends."""


class XdsStream:
    """The pure half of one gRPC stream.

    The shell calls `receive` for every request, and `next_response` whenever it may write, until that returns None; it calls it
    again when it was woken, and at `wake_at` at the latest.  There is one writer, so a client that does not read is simply not
    asked about: what it has missed is not queued.
    """

    __slots__ = (
        "_cache",
        "_came_back",
        "_opened",
        "_prefix",
        "dialogues",
        "kind",
        "proxy",
        "wake",
        "wake_at",
    )

    def __init__(self, number: int, kind: StreamKind, proxy: Proxy, cache: Cache, wake: Callable[[], None], now: float) -> None:
        self.kind = kind
        self.proxy = proxy
        self.wake = wake
        self.wake_at = FOREVER
        self.dialogues: dict[str, Dialogue] = {}  # in the order in which types are pushed
        self._cache = cache
        self._prefix = f"{number:x}."
        self._opened = now
        self._came_back: float | None = None

    def receive(self, request: SotwRequest | DeltaRequest, now: float, wall: float) -> None:
        """Take in a request, and wake the streams that may now have something to send.  Raises LimitExceeded."""
        dialogue = self.dialogues.get(request.type_url) or self._begin(request, now)
        if isinstance(request, SotwRequest):
            assert isinstance(dialogue, SotwDialogue)
            answer = dialogue.receive(request, now, wall)
        else:
            assert isinstance(dialogue, DeltaDialogue)
            answer = dialogue.receive(request, now, wall)
        if len(dialogue.subscription.names) > MAX_NAMES:
            raise LimitExceeded(f"more than {MAX_NAMES} names of {request.type_url}")
        self._report(dialogue, answer, wall)
        self.proxy.report_ready(wall)
        if self.proxy.has_news():
            self.proxy.wake()

    def next_response(self, now: float, wall: float) -> bytes | None:
        """The next message to write, if it is time for one."""
        self.wake_at = self.proxy.set_out(now)
        for dialogue in self.dialogues.values():
            if not dialogue.quiet and (body := self._turn(dialogue, now, wall)) is not None:
                return body
        self.proxy.report_ready(wall)
        return None

    def _turn(self, dialogue: Dialogue, now: float, wall: float) -> bytes | None:
        """The next message of a type that has something to say, if it may."""
        unanswered = self.proxy.answer_wait(dialogue, now)
        if unanswered is not None:
            self.wake_at = min(self.wake_at, unanswered.until)
            return None
        released, look_again = self.proxy.releasable(dialogue, self._came_back, now) if dialogue.held else ((), FOREVER)
        self.wake_at = min(self.wake_at, look_again)
        if dialogue.pending:
            wait = self.proxy.make_wait(dialogue, now)
            if wait is not None:
                self.wake_at = min(self.wake_at, wait.until)
                return None
        elif not released:
            return None
        body = dialogue.send(released, now, wall)
        if dialogue.type_url == urls.CLUSTER and dialogue.changed:
            self._warm_again(dialogue, now)
        sent = dialogue.exchange.sent
        self.proxy.report(EventKind.SENT, wall, dialogue.type_url, sent.version, sent.revision)
        return body

    def _warm_again(self, clusters: Dialogue, now: float) -> None:
        endpoints = self.dialogues.get(urls.CLUSTER_LOAD_ASSIGNMENT)
        if endpoints is not None and clusters.target is not None:
            endpoints.warm_again(self._cache.endpoints_of(clusters.target, clusters.changed), now)

    def _begin(self, request: SotwRequest | DeltaRequest, now: float) -> Dialogue:
        if len(self.dialogues) >= MAX_TYPES:
            raise LimitExceeded(f"more than {MAX_TYPES} types on one stream")
        prefix = f"{self._prefix}{len(self.dialogues)}."
        if isinstance(request, SotwRequest):
            dialogue: Dialogue = SotwDialogue(request.type_url, self._cache, prefix)
            has_resources = bool(request.version)
        else:
            dialogue = DeltaDialogue(request.type_url, self._cache, prefix)
            has_resources = bool(request.initial_versions)
        if has_resources:
            self._came_back = self._opened
        self.dialogues[request.type_url] = dialogue
        self.dialogues = dict(sorted(self.dialogues.items(), key=lambda item: rank(item[0])))
        self.proxy.direct(dialogue, now)
        return dialogue

    def _report(self, dialogue: Dialogue, answer: Answer, wall: float) -> None:
        exchange = dialogue.exchange
        if answer is Answer.ACK:
            self.proxy.report(EventKind.ACKED, wall, dialogue.type_url, exchange.acked.version, exchange.acked.revision)
        elif answer is Answer.NACK:
            nacked = exchange.nacked
            self.proxy.report(EventKind.NACKED, wall, dialogue.type_url, nacked.version, nacked.revision, exchange.nack_text)
