"""One type on one stream, whatever the protocol: where the client stands and where it shall go.

Here: what SotW and delta have in common.  Not here: reading requests and composing responses (sotw, delta), order among types
(order, proxy).

Clock: every method that takes `now` (monotonic) must be told of events in the order they happen.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from typing import NamedTuple

from controlplane.base.resource import Revision
from controlplane.delivery.cache import Cache
from controlplane.delivery.exchange import NEVER, Answer, Exchange, Sent, Stamp
from controlplane.delivery.inventory import NamedInventory, WholeInventory
from controlplane.delivery.order import Hold
from controlplane.delivery.snapshot import NO_REVISION, TypeView
from controlplane.delivery.subscription import Difference, Subscription
from controlplane.delivery.wire import with_nonce


class Composed(NamedTuple):
    """A response without its nonce.  names: the resources in it, to be found in view.  changed: those the client has otherwise."""

    body: bytes
    version: str
    view: TypeView
    names: Collection[str]
    changed: frozenset[str]


class _Mark(NamedTuple):
    """A point on a proxy's way."""

    journey: int
    revision: Revision


class Dialogue(ABC):
    """Satisfies order.Progress.

    target: None until something was published for the proxy's group.  pending: whether additions or updates are to be sent.
    quiet: whether there is nothing to send at all.  Both are plain attributes, kept by `_review`, for every push asks for them
    on every type of every stream (tests/perf/xds_push.py).
    """

    __slots__ = (
        "_settled",
        "begun",
        "busy_since",
        "cache",
        "changed",
        "exchange",
        "inventory",
        "journey",
        "pending",
        "quiet",
        "removing",
        "revision",
        "sent_at",
        "subscription",
        "target",
        "type_url",
    )

    def __init__(self, type_url: str, cache: Cache, nonce_prefix: str, answers_each: bool) -> None:
        self.type_url = type_url
        self.cache = cache
        self.subscription = Subscription(type_url)
        self.exchange = Exchange(nonce_prefix, answers_each)
        self.begun = False  # whether the first request has come; until then nothing is wanted
        self.inventory: WholeInventory | NamedInventory = NamedInventory(type_url, tell_absent=answers_each)
        self.target: TypeView | None = None
        self.revision = NO_REVISION
        self.journey = 0
        self.pending = False
        self.quiet = True
        self.busy_since: float | None = None
        self.removing = False  # whether the response on its way removes something
        self.changed: frozenset[str] = frozenset()  # what the last response changed
        self.sent_at = 0.0
        self._settled = _Mark(0, NO_REVISION)

    @property
    def held(self) -> Mapping[str, Hold]:
        """Removals that are still to be sent."""
        return self.inventory.held

    @property
    def accepted(self) -> int:
        """The last journey of which the client has acknowledged everything of this type that it asked for."""
        return self.journey if self._in_step() else self._settled.journey

    @property
    def accepted_revision(self) -> Revision:
        """The revision of that journey."""
        return self.revision if self._in_step() else self._settled.revision

    @property
    def sent_version(self) -> str:
        """What the client was sent last, or came with and still has."""
        return self.exchange.sent.version or self._version_it_came_with()

    @property
    def acked_version(self) -> str:
        """What the client has acknowledged, or came with and still has."""
        return self.exchange.acked.version or self._version_it_came_with()

    @property
    def rejecting(self) -> bool:
        """Whether the client was sent something that it refuses."""
        return bool(self.exchange.refused)

    @property
    def holding(self) -> bool:
        """Whether removals wait."""
        return bool(self.inventory.held)

    def aim(self, target: TypeView, revision: Revision, journey: int, now: float) -> None:
        """The client shall have its part of *target* from now on."""
        previous = self.target
        if previous is target:  # by far the most frequent case: most revisions do not touch most types
            self.revision, self.journey = revision, journey
            return
        if self._in_step():
            self._settled = _Mark(self.journey, self.revision)
        self.target, self.revision, self.journey = target, revision, journey
        self.exchange.refused.forget_changed(target)
        self._aim(previous, target, now)
        self._review(now)

    def send(self, released: Collection[str], now: float, wall: float) -> bytes:
        """Compose what is pending, and the removal of the held resources that are *released*."""
        assert self.target is not None
        composed = self._compose(frozenset(released))
        stamp = Stamp(composed.version, self.revision, self.journey, wall)
        nonce = self.exchange.send(Sent(stamp, composed.view, composed.names))
        self.removing = bool(released)
        self.changed = composed.changed
        self.sent_at = now
        self._review(now)
        return with_nonce(composed.body, nonce)

    def warm_again(self, names: frozenset[str], now: float) -> None:
        """Send these once more, if the client has subscribed to them and they exist (warming)."""
        self._warm_again(names)
        self._review(now)

    def _review(self, now: float) -> None:
        """Take stock after a change: what is to be said, and since when the client, or we, owe something."""
        self.pending = self.target is not None and self._has_pending()
        self.quiet = not self.pending and not self.inventory.held
        if not self.pending and self.exchange.waiting is None:
            self.busy_since = None
        elif self.busy_since is None:
            self.busy_since = now

    def _heed(self, answer: Answer, difference: Difference) -> None:
        """What the client does not want any more, or shall not have any more, it does not refuse either."""
        refused = self.exchange.refused
        if answer is Answer.NACK and self.target is not None:
            refused.forget_changed(self.target)
        if (answer is Answer.NACK or difference.dropped or difference.wildcard_ended) and not self.subscription.wildcard:
            refused.forget_all_but(self.subscription.names)

    def _hear(self, nonce: str, error: str | None, wall: float) -> Answer:
        answer = self.exchange.receive(nonce, error, wall)
        self.removing = self.removing and self.exchange.waiting is not None
        if answer is Answer.ACK and not self.exchange.refused:
            self._settled = max(self._settled, _Mark(self.exchange.acked.journey, self.exchange.acked.revision))
        return answer

    def _version_it_came_with(self) -> str:
        return self.target.version if self.target is not None and self._in_step() and self.exchange.sent is NEVER else ""

    def _in_step(self) -> bool:
        return self.target is not None and not self.pending and self.exchange.waiting is None and not self.exchange.refused

    @abstractmethod
    def _warm_again(self, names: frozenset[str]) -> None:
        """Tell the inventory."""

    def _has_pending(self) -> bool:
        return self.inventory.pending

    @abstractmethod
    def _aim(self, previous: TypeView | None, target: TypeView, now: float) -> None:
        """Tell the inventory."""

    @abstractmethod
    def _compose(self, released: frozenset[str]) -> Composed:
        """The next response; the inventory is told that it is sent."""
