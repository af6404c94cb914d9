"""What one client wants of one type on one stream: everything, or some names, or both (delta only).

Here: wildcard and names, the legacy wildcard rule, what a request changed.  Not here: what the client has got (inventory).
Spec: xDS REST and gRPC protocol, "How the client specifies what resources to return", "Subscribing to / Unsubscribing from Resources".
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from controlplane.base import type_url as urls

WILDCARD = "*"

# Types that are only ever asked for by name: an empty first request means "nothing yet", not "everything".
NAMED_ONLY = frozenset(
    (
        urls.CLUSTER_LOAD_ASSIGNMENT,
        urls.ROUTE_CONFIGURATION,
        urls.VIRTUAL_HOST,
        urls.SECRET,
        urls.RUNTIME,
        urls.EXTENSION_CONFIG,
    )
)


@dataclass(frozen=True, slots=True)
class Difference:
    """What one request did to a subscription.  added: also names asked for again; dropped: only names that were there."""

    added: frozenset[str] = frozenset()
    dropped: frozenset[str] = frozenset()
    wildcard_started: bool = False
    wildcard_ended: bool = False


class Subscription:
    """Names and wildcard of one type on one stream."""

    __slots__ = ("_ever_named", "_last_listed", "_legacy_allowed", "names", "wildcard")

    def __init__(self, type_url: str) -> None:
        self.names: frozenset[str] = frozenset()
        self.wildcard = False
        self._legacy_allowed = type_url not in NAMED_ONLY
        self._ever_named = False
        self._last_listed: tuple[str, ...] | None = None

    def replace(self, listed: Sequence[str]) -> Difference:
        """SotW: the request lists all that is wanted.  Only new names count as added."""
        listed = tuple(listed)
        if listed == self._last_listed:  # every ACK repeats the list, which may hold thousands of names
            return Difference()
        self._last_listed = listed
        self._ever_named = self._ever_named or bool(listed)
        names = frozenset(listed) - {WILDCARD}
        wildcard = WILDCARD in listed or (self._legacy_allowed and not self._ever_named)
        return self._become(names, wildcard, added=names - self.names)

    def change(self, subscribe: Iterable[str], unsubscribe: Iterable[str], first: bool) -> Difference:
        """Delta: the request says what to add and what to drop.  A name subscribed again counts as added again."""
        wanted, unwanted = frozenset(subscribe), frozenset(unsubscribe)
        self._ever_named = self._ever_named or bool(wanted)
        legacy = first and self._legacy_allowed and not wanted and not unwanted
        wildcard = (self.wildcard or WILDCARD in wanted or legacy) and WILDCARD not in unwanted - wanted
        added = wanted - {WILDCARD}
        return self._become((self.names - unwanted) | added, wildcard, added)

    def _become(self, names: frozenset[str], wildcard: bool, added: frozenset[str]) -> Difference:
        difference = Difference(added, self.names - names, wildcard and not self.wildcard, self.wildcard and not wildcard)
        self.names, self.wildcard = names, wildcard
        return difference
