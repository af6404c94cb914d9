"""Make before break: in which order types are told of a change, and how long removals wait.

Here: the tables, the two questions asked of them, and the book of removals that wait.  Not here: what is sent (sotw, delta),
who asks (proxy).
Spec: xDS REST and gRPC protocol, "Eventual consistency considerations".

Adding: a type waits until the types it refers to have nothing left to send and, where that matters, are answered; a NACK is an
answer, for one bad cluster must not hold up every route.
Removing: a resource goes when the types that may refer to it have *accepted* what came with the removal, or came later; a
proxy that refuses its new routes goes on using the clusters of the old ones, so they stay.
A client that does not answer at all is waited for only so long.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from controlplane.base import type_url as urls
from controlplane.base.resource import Resource

PUSH_ORDER = (
    urls.RUNTIME,
    urls.SECRET,
    urls.CLUSTER,
    urls.CLUSTER_LOAD_ASSIGNMENT,
    urls.LISTENER,
    urls.SCOPED_ROUTE_CONFIGURATION,
    urls.ROUTE_CONFIGURATION,
    urls.VIRTUAL_HOST,
    urls.EXTENSION_CONFIG,
)
_RANK = {type_url: rank for rank, type_url in enumerate(PUSH_ORDER)}

_CLUSTERS = (urls.CLUSTER, urls.CLUSTER_LOAD_ASSIGNMENT)

# Whose additions and updates must have been sent before.
SEND_AFTER: Mapping[str, tuple[str, ...]] = {
    urls.CLUSTER_LOAD_ASSIGNMENT: (urls.CLUSTER,),
    urls.SCOPED_ROUTE_CONFIGURATION: (urls.LISTENER,),
    urls.ROUTE_CONFIGURATION: (urls.LISTENER, urls.SCOPED_ROUTE_CONFIGURATION),
    urls.VIRTUAL_HOST: (urls.ROUTE_CONFIGURATION,),
}

# Whose additions and updates must have been answered too.  Envoy answers clusters when they are warm, and for that it needs
# their endpoints and secrets: those must not wait for the answer.
ANSWER_AFTER: Mapping[str, tuple[str, ...]] = {
    urls.LISTENER: _CLUSTERS,
    urls.SCOPED_ROUTE_CONFIGURATION: _CLUSTERS,
    urls.ROUTE_CONFIGURATION: _CLUSTERS,
    urls.VIRTUAL_HOST: _CLUSTERS,
    urls.EXTENSION_CONFIG: _CLUSTERS,
}

# Whom a removal waits for: the types that may name what is removed.
BREAK_AFTER: Mapping[str, tuple[str, ...]] = {
    urls.SECRET: (urls.CLUSTER, urls.LISTENER),
    urls.CLUSTER: (
        urls.LISTENER,
        urls.SCOPED_ROUTE_CONFIGURATION,
        urls.ROUTE_CONFIGURATION,
        urls.VIRTUAL_HOST,
        urls.EXTENSION_CONFIG,
    ),
    urls.CLUSTER_LOAD_ASSIGNMENT: (urls.CLUSTER,),
    urls.SCOPED_ROUTE_CONFIGURATION: (urls.LISTENER,),
    urls.ROUTE_CONFIGURATION: (urls.LISTENER, urls.SCOPED_ROUTE_CONFIGURATION),
    urls.VIRTUAL_HOST: (urls.ROUTE_CONFIGURATION,),
    urls.EXTENSION_CONFIG: (urls.LISTENER,),
}


FOREVER = float("inf")


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds.  make: for an answer before anything else is sent anyway.  break_: the same for removals, which harm more.

    greeting: how long a client that comes back with resources has to subscribe to the types that may refer to them.
    """

    make: float = 5.0
    break_: float = 15.0
    greeting: float = 2.0


class Progress(Protocol):
    """What the order has to know of one type on one of a proxy's streams.

    pending: whether additions or updates are unsent.  busy_since: since when something is unsent or unanswered; None where
    nothing is.  removing: whether a removal is on its way; holding: whether one waits.  accepted: the number of the last journey
    (proxy) of which the client has accepted everything of this type.
    """

    type_url: str
    busy_since: float | None
    pending: bool
    removing: bool

    @property
    def accepted(self) -> int: ...

    @property
    def rejecting(self) -> bool: ...

    @property
    def holding(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class Hold:
    """A resource that left the configuration and stays with the client for now.  journey: the first one without it."""

    resource: Resource
    journey: int
    since: float


@dataclass(frozen=True, slots=True)
class Wait:
    """Not yet; look again at `until` at the latest.  Infinity: only an answer can change it."""

    until: float


def rank(type_url: str) -> int:
    """Position in the push order; unknown types come last."""
    return _RANK.get(type_url, len(_RANK))


def make_wait(type_url: str, others: Iterable[Progress], now: float, patience: Patience) -> Wait | None:
    """None where additions of a type may be sent now."""
    sent, answered = SEND_AFTER.get(type_url, ()), ANSWER_AFTER.get(type_url, ())
    until = 0.0
    for other in others:
        if other.busy_since is not None and (other.type_url in answered or (other.type_url in sent and other.pending)):
            until = max(until, other.busy_since + patience.make)
    return Wait(until) if until > now else None


def break_wait(
    type_url: str, hold: Hold, others: Iterable[Progress], came_back: float | None, now: float, patience: Patience
) -> Wait | None:
    """None where one removal may be sent now.

    came_back: when a client that already had resources opened this stream; None for one that started empty.
    """
    after = BREAK_AFTER.get(type_url, ())
    until = came_back + patience.greeting if after and came_back is not None else 0.0
    for other in others:
        if other.type_url in after:
            until = max(until, _unbroken_until(other, hold, patience))
    return Wait(until) if until > now else None


def _unbroken_until(other: Progress, hold: Hold, patience: Patience) -> float:
    """Until when *other* may still refer to what is held.  Infinity: until it answers, or until its own removals are through."""
    if other.holding:
        return FOREVER
    if other.accepted >= hold.journey and not other.removing:
        return 0.0
    return FOREVER if other.rejecting else (other.busy_since or hold.since) + patience.break_
