"""One proxy: its streams, and how it is brought from one snapshot to the next.

Here: the journey over all its types, make before break across all its streams, its status.  Not here: one type (dialogue), one
stream (stream), the tables of the order (order).

A proxy travels to one snapshot at a time.  Only when everything new of it is sent and answered, or was not answered for too long,
does it set out for the newest one; revisions in between are skipped.  Journeys are numbered, for the revisions of two groups do
not compare.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from controlplane.base.resource import GroupName, Revision
from controlplane.delivery.dialogue import Dialogue
from controlplane.delivery.order import FOREVER, Patience, Wait, break_wait, make_wait, rank
from controlplane.delivery.snapshot import NO_REVISION, Snapshot
from controlplane.delivery.status import EventKind, NodeFacts, ProxyEvent, ProxyStatus, TypeStatus

if TYPE_CHECKING:
    from controlplane.delivery.stream import XdsStream


class Proxy:
    """A client as the hub knows it.  key: what tells it from all others.  report: where its events go."""

    __slots__ = (
        "_connected_since",
        "_journey",
        "_patience",
        "_ready",
        "_report",
        "group",
        "key",
        "latest",
        "node",
        "peer",
        "proxy_id",
        "streams",
        "target",
    )

    def __init__(
        self,
        proxy_id: int,
        key: object,
        node: NodeFacts,
        peer: str,
        wall: float,
        patience: Patience,
        report: Callable[[ProxyEvent], None],
    ) -> None:
        self.proxy_id = proxy_id
        self.key = key
        self.node = node
        self.peer = peer
        self.group = GroupName("")
        self.streams: list[XdsStream] = []
        self.latest: Snapshot | None = None
        self.target: Snapshot | None = None
        self._connected_since = wall
        self._patience = patience
        self._report = report
        self._journey = 0
        self._ready = NO_REVISION

    def dialogues(self) -> Iterator[Dialogue]:
        for stream in self.streams:
            yield from stream.dialogues.values()

    def wake(self) -> None:
        """Something changed: each stream shall look whether it has something to send."""
        for stream in self.streams:
            stream.wake()

    def set_out(self, now: float) -> float:
        """Set out for the newest snapshot if the journey to the last one is over; otherwise say when to look again."""
        if self.latest is self.target or self.latest is None:
            return FOREVER
        if self.target is not None:
            until = max((d.busy_since + self._patience.make for d in self.dialogues() if d.busy_since is not None), default=now)
            if until > now:
                return until
        self.target = self.latest
        self._journey += 1
        for dialogue in self.dialogues():
            self.direct(dialogue, now)
        return FOREVER

    def direct(self, dialogue: Dialogue, now: float) -> None:
        """Tell one type where the journey goes."""
        if self.target is not None:
            dialogue.aim(self.target.view(dialogue.type_url), self.target.revision, self._journey, now)

    def answer_wait(self, dialogue: Dialogue, now: float) -> Wait | None:
        """None where a type's last response was answered, or has gone unanswered for too long."""
        if dialogue.exchange.waiting is None or dialogue.sent_at + self._patience.make <= now:
            return None
        return Wait(dialogue.sent_at + self._patience.make)

    def make_wait(self, dialogue: Dialogue, now: float) -> Wait | None:
        """None where what is new of a type may be sent."""
        return make_wait(dialogue.type_url, self.dialogues(), now, self._patience)

    def releasable(self, dialogue: Dialogue, came_back: float | None, now: float) -> tuple[list[str], float]:
        """Which of a type's held resources may be removed now, and when to look at the others again."""
        released: list[str] = []
        look_again = FOREVER
        for name, hold in dialogue.held.items():
            wait = break_wait(dialogue.type_url, hold, self.dialogues(), came_back, now, self._patience)
            if wait is None:
                released.append(name)
            else:
                look_again = min(look_again, wait.until)
        return released, look_again

    def ready_revision(self) -> Revision:
        return min((dialogue.accepted_revision for dialogue in self.dialogues()), default=NO_REVISION)

    def has_news(self) -> bool:
        """Whether any stream may have something to send, now or later."""
        return self.latest is not self.target or not all(dialogue.quiet for dialogue in self.dialogues())

    def report_ready(self, wall: float) -> None:
        """Say so if a higher revision than ever before is acknowledged."""
        if self.target is None or self._ready >= self.target.revision:
            return
        ready = self.ready_revision()
        if ready > self._ready:
            self._ready = ready
            self.report(EventKind.READY, wall, revision=ready)

    def report(
        self,
        kind: EventKind,
        wall: float,
        type_url: str = "",
        version: str = "",
        revision: Revision = NO_REVISION,
        text: str = "",
    ) -> None:
        self._report(ProxyEvent(kind, wall, self.proxy_id, self.node.node_id, self.group, type_url, version, revision, text))

    def status(self, disconnected_at: float | None = None) -> ProxyStatus:
        return ProxyStatus(
            proxy_id=self.proxy_id,
            node=self.node,
            group=self.group,
            peer=self.peer,
            kinds=tuple(dict.fromkeys(stream.kind for stream in self.streams)),
            connected_since=self._connected_since,
            disconnected_at=disconnected_at,
            target_revision=NO_REVISION if self.latest is None else self.latest.revision,
            ready_revision=self.ready_revision(),
            types=self._type_statuses(),
        )

    def _type_statuses(self) -> tuple[TypeStatus, ...]:
        by_type: defaultdict[str, list[Dialogue]] = defaultdict(list)
        for dialogue in self.dialogues():
            by_type[dialogue.type_url].append(dialogue)
        return tuple(_type_status(by_type[type_url]) for type_url in sorted(by_type, key=lambda url: (rank(url), url)))


def _type_status(dialogues: list[Dialogue]) -> TypeStatus:
    """One type over all streams that ask for it: Envoy without ADS opens one for every cluster's endpoints.

    Of several, the newest that was sent, the oldest that was acknowledged, the last that was refused.
    """
    newest = max(dialogues, key=lambda dialogue: dialogue.exchange.sent.revision)
    oldest = min(dialogues, key=lambda dialogue: dialogue.accepted)
    refuser = max((dialogue.exchange for dialogue in dialogues), key=lambda exchange: exchange.nacked.wall)
    return TypeStatus(
        type_url=dialogues[0].type_url,
        names=sum(len(dialogue.subscription.names) for dialogue in dialogues),
        wildcard=any(dialogue.subscription.wildcard for dialogue in dialogues),
        sent_version=newest.sent_version,
        sent_revision=max(newest.exchange.sent.revision, newest.accepted_revision),
        acked_version=oldest.acked_version,
        acked_revision=oldest.accepted_revision,
        acked_at=oldest.exchange.acked.wall,
        nacked_version=refuser.nacked.version,
        nacked_revision=refuser.nacked.revision,
        nacked_at=refuser.nacked.wall,
        nack_text=refuser.nack_text,
        rejecting=any(dialogue.rejecting for dialogue in dialogues),
        held=sum(len(dialogue.held) for dialogue in dialogues),
    )
