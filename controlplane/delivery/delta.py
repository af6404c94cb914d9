"""The incremental protocol for one type on one stream, without I/O.

Here: what a DeltaDiscoveryRequest means and what the next DeltaDiscoveryResponse holds.  Not here: nonces (exchange), order (order).
Spec: xDS REST and gRPC protocol, "Incremental xDS".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from controlplane.delivery.cache import Cache
from controlplane.delivery.dialogue import Composed, Dialogue
from controlplane.delivery.exchange import Answer
from controlplane.delivery.inventory import NamedInventory, WholeInventory
from controlplane.delivery.snapshot import TypeView, claimed_view
from controlplane.delivery.subscription import Difference


@dataclass(frozen=True, slots=True)
class DeltaRequest:
    """A DeltaDiscoveryRequest without its node.  error: the text of error_detail; None where there is none."""

    type_url: str
    subscribe: tuple[str, ...] = ()
    unsubscribe: tuple[str, ...] = ()
    initial_versions: Mapping[str, str] = field(default_factory=dict)
    nonce: str = ""
    error: str | None = None


class DeltaDialogue(Dialogue):
    """One type of a delta stream.

    While there is a wildcard subscription, names are only looked at when they are subscribed or unsubscribed: the client must
    then be told of them once more, present or absent (`_asked`).
    """

    __slots__ = ("_asked",)

    def __init__(self, type_url: str, cache: Cache, nonce_prefix: str) -> None:
        super().__init__(type_url, cache, nonce_prefix, answers_each=True)
        self._asked: set[str] = set()

    def receive(self, request: DeltaRequest, now: float, wall: float) -> Answer:
        """Take in a request.  Its subscriptions count even if its nonce is stale."""
        answer = self._hear(request.nonce, request.error, wall)
        first, self.begun = not self.begun, True
        difference = self.subscription.change(request.subscribe, request.unsubscribe, first)
        if first:
            self._start(request.initial_versions, now)
        else:
            self._change(difference, now)
        self._heed(answer, difference)
        self._review(now)
        return answer

    def _warm_again(self, names: frozenset[str]) -> None:
        if isinstance(self.inventory, NamedInventory):
            self.inventory.send_again(names)
        else:
            self._asked |= self.inventory.goal.resources.keys() & names

    def _has_pending(self) -> bool:
        return bool(self._asked) or self.inventory.pending

    def _start(self, versions: Mapping[str, str], now: float) -> None:
        """The first request: a reconnecting client says what it has, and is told only what differs."""
        if not self.subscription.wildcard:
            self._start_named(dict(versions), now)
            return
        inventory = self._start_whole(now)
        if versions:
            inventory.assume(claimed_view(self.type_url, versions))
        self._asked = set(self.subscription.names) - versions.keys()
        if self.target is not None:
            inventory.aim(self.target, self.journey, now)

    def _change(self, difference: Difference, now: float) -> None:
        if difference.wildcard_started:
            self._start_whole(now)
            self._asked = set(self.subscription.names)  # it may not have been told yet which of them are absent
        elif difference.wildcard_ended:
            self._start_named(self._left_of_whole(difference.added), now)
        elif isinstance(self.inventory, NamedInventory):
            self.inventory.unsubscribe(difference.dropped)
            self.inventory.subscribe(difference.added, self.journey, now)
        else:
            self._asked |= difference.added | difference.dropped

    def _start_whole(self, now: float) -> WholeInventory:
        self.inventory = WholeInventory(self.cache, self.type_url)
        if self.target is not None:
            self.inventory.aim(self.target, self.journey, now)
        return self.inventory

    def _start_named(self, versions: dict[str, str], now: float) -> None:
        self._asked = set()
        self.inventory = NamedInventory(self.type_url, tell_absent=True)
        self.inventory.names.update(self.subscription.names)
        self.inventory.assume(versions)
        if self.target is not None:
            self.inventory.examine_all(self.target, self.journey, now)

    def _left_of_whole(self, asked_again: frozenset[str]) -> dict[str, str]:
        """What the client keeps when its wildcard ends: of the names it goes on with, what it was sent and is not owed."""
        assert isinstance(self.inventory, WholeInventory)
        has = {name: hold.resource.version for name, hold in self.inventory.held.items()}
        has.update((name, self.inventory.base.version_of(name)) for name in self.subscription.names if name not in has)
        return {name: version for name, version in has.items() if version and name not in self._asked | asked_again}

    def _aim(self, previous: TypeView | None, target: TypeView, now: float) -> None:
        inventory = self.inventory
        if isinstance(inventory, WholeInventory):
            inventory.aim(target, self.journey, now)
        elif previous is None:
            inventory.examine_all(target, self.journey, now)
        else:
            inventory.aim(target, self.cache.changes(previous, target), self.journey, now)

    def _compose(self, released: frozenset[str]) -> Composed:
        inventory = self.inventory
        goal = inventory.goal
        asked = inventory.due if isinstance(inventory, NamedInventory) else self._asked
        present = frozenset(asked & goal.resources.keys())
        changed = present if isinstance(inventory, NamedInventory) else _union(inventory.changes.changed, present)
        absent = frozenset(asked - present)
        inventory.sent(_union(released, absent & inventory.held.keys()))
        self._asked = set()
        body = self.cache.delta(goal, changed, _union(released, absent))
        return Composed(body, goal.version, goal, changed, changed)


def _union(one: frozenset[str], other: frozenset[str]) -> frozenset[str]:
    """The very same object where nothing is added: its hash is known already, and it is shared by all streams."""
    return one | other if other else one
