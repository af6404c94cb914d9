"""The state-of-the-world protocol for one type on one stream, without I/O.

Here: what a DiscoveryRequest means and what the next DiscoveryResponse holds.  Not here: nonces (exchange), order (order).
Spec: xDS REST and gRPC protocol, "Grouping Resources into Responses", "Deleting Resources".

Listeners, clusters and scoped routes come in full: what a response leaves out is gone.  So does every type that was asked for
with a wildcard.  Of the others a response holds what is new to the client, and nothing can be removed; a name that does not
exist is answered when it appears.
"""

from __future__ import annotations

from dataclasses import dataclass

from controlplane.base import type_url as urls
from controlplane.delivery.cache import Cache
from controlplane.delivery.dialogue import Composed, Dialogue
from controlplane.delivery.exchange import Answer
from controlplane.delivery.inventory import NamedInventory, WholeInventory
from controlplane.delivery.snapshot import TypeView, digest_in
from controlplane.delivery.subscription import Difference

FULL_STATE = frozenset((urls.LISTENER, urls.CLUSTER, urls.SCOPED_ROUTE_CONFIGURATION))


@dataclass(frozen=True, slots=True)
class SotwRequest:
    """A DiscoveryRequest without its node.  error: the text of error_detail; None where there is none."""

    type_url: str
    names: tuple[str, ...] = ()
    version: str = ""
    nonce: str = ""
    error: str | None = None


class SotwDialogue(Dialogue):
    """One type of a SotW stream."""

    __slots__ = ("_claim",)

    def __init__(self, type_url: str, cache: Cache, nonce_prefix: str) -> None:
        super().__init__(type_url, cache, nonce_prefix, answers_each=False)
        self._claim = ""  # the version a wildcard client came with, until there is a target to compare it with

    def receive(self, request: SotwRequest, now: float, wall: float) -> Answer:
        """Take in a request.  A stale one is ignored with its names: the answer to the newer response will list them again."""
        answer = self._hear(request.nonce, request.error, wall)
        if answer is Answer.STALE:
            return answer
        first, self.begun = not self.begun, True
        difference = self.subscription.replace(request.names)
        if first or self._is_whole() != isinstance(self.inventory, WholeInventory):
            self._start(request.version if first else "", now)
        else:
            self._change(difference, now)
        self._heed(answer, difference)
        self._review(now)
        return answer

    def _warm_again(self, names: frozenset[str]) -> None:
        if isinstance(self.inventory, NamedInventory):
            self.inventory.send_again(names)
        elif not self.inventory.goal.resources.keys().isdisjoint(names):
            self.inventory.owed = True

    def _is_whole(self) -> bool:
        return self.type_url in FULL_STATE or self.subscription.wildcard

    def _start(self, version: str, now: float) -> None:
        if self._is_whole():
            self.inventory = WholeInventory(self.cache, self.type_url)
            self.inventory.owed = self.subscription.wildcard or bool(self.subscription.names)
            self._claim = version if self.subscription.wildcard else ""
            if self.target is not None:
                self._aim(None, self.target, now)
        else:
            self.inventory = NamedInventory(self.type_url, tell_absent=False)
            self.inventory.goal = self.target or self.inventory.goal
            self.inventory.subscribe(self.subscription.names, self.journey, now)

    def _change(self, difference: Difference, now: float) -> None:
        inventory = self.inventory
        if isinstance(inventory, NamedInventory):
            inventory.unsubscribe(difference.dropped)
            inventory.subscribe(difference.added, self.journey, now)
        elif difference != Difference():
            if not self.subscription.wildcard:
                kept = self.cache.select(inventory.base, self.subscription.names)
                inventory.drop_selection(kept, set(inventory.held) - self.subscription.names)
            inventory.owed = inventory.owed or difference.wildcard_started or bool(difference.added)
            if self.target is not None:
                self._aim(None, self.target, now)

    def _aim(self, previous: TypeView | None, target: TypeView, now: float) -> None:
        inventory = self.inventory
        if isinstance(inventory, NamedInventory):
            if previous is None:
                inventory.examine_all(target, self.journey, now)
            else:
                inventory.aim(target, self.cache.changes(previous, target), self.journey, now)
        else:
            goal = target if self.subscription.wildcard else self.cache.select(target, self.subscription.names)
            self._honour_claim(inventory, goal)
            inventory.aim(goal, self.journey, now)

    def _honour_claim(self, inventory: WholeInventory, goal: TypeView) -> None:
        claim, self._claim = self._claim, ""
        if not claim:
            return
        digest = digest_in(claim)
        known = goal if digest == goal.digest else self.cache.recall(self.type_url, digest)
        if known is not None:
            inventory.assume(known)

    def _compose(self, released: frozenset[str]) -> Composed:
        inventory = self.inventory
        if isinstance(inventory, NamedInventory):
            view, version, due = inventory.goal, inventory.goal.part_version, frozenset(inventory.due)
            inventory.sent(released)
            return Composed(self.cache.sotw(view, version, due), version, view, due, due)
        changed = inventory.changes.changed
        inventory.sent(released)
        view = self.cache.keeping(inventory.goal, (hold.resource for hold in inventory.held.values()))
        version = view.version if self.subscription.wildcard else view.part_version
        return Composed(self.cache.sotw(view, version), version, view, view.resources.keys(), changed)
