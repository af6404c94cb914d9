"""What a load balancer may ask about a request, and the cookies that its answers leave behind.

Here: api.upstream.BalancingContext for one request; nothing is worked out before a cluster asks.
Not here: choosing (balancing), hashing (routing.hash_policy).
Envoy: Router::Filter as a LoadBalancerContext.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from dataplane.matching.criteria import LB_NAMESPACE, Criteria
from dataplane.router.timers import TimedRequest
from dataplane.routing.hash_policy import Hashing, combined

if TYPE_CHECKING:
    from dataplane.api.upstream import LiveHost


class BalancedRequest(TimedRequest):
    """See the module."""

    __slots__ = ()

    def request_header(self, name: bytes) -> bytes | None:
        return self.headers.get(name)

    def hash_key(self) -> int | None:
        """Of the form that the upstream sees, as in Envoy.  A cookie that it is made of and that was missing goes into the answer."""
        policies, own = self._action.hash_policies, self.cluster.policies
        if own is not None and own.hash_policies:
            policies = own.hash_policies
        if not policies:
            return None
        hashing = Hashing(self.headers, self.info, [])
        found = combined(policies, hashing)
        self._set_cookies = hashing.set_cookies
        return found

    def metadata_match(self) -> Criteria | None:
        """The route's, or the weighted choice's, under what filters left for the request."""
        wanted = self._action.metadata_match if self._choice is None else self._choice.metadata_match
        own = (self.info.dynamic_metadata or {}).get(LB_NAMESPACE)
        if not isinstance(own, Mapping):
            return wanted
        return Criteria(own) if wanted is None else wanted.merged(own)

    def excluded(self, host: LiveHost) -> bool:
        return self._retries is not None and self._retries.avoids(host)

    def priority_loads(self, availability: Callable[[], Sequence[int]]) -> Sequence[int] | None:
        return None if self._retries is None else self._retries.priority_loads(availability)

    def selection_attempts(self) -> int:
        return 0 if self._retries is None else self._retries.selection_attempts
