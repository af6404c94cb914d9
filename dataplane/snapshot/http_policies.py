"""What a cluster says about requests to it that routes say, too.  Envoy: extensions.upstreams.http.v3.HttpProtocolOptions.

Here: the values, and which of both count.  Not here: carrying them out (router), protobuf (compile.http_policies).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from dataplane.resilience.retry import RetryPolicy
from dataplane.routing.hash_policy import HashPolicy
from dataplane.routing.mirror import MirrorPolicy
from dataplane.semantics.header_map import ResponseHeaders

_SUCCESS = 200
_ERROR = 500


@dataclass(frozen=True, slots=True)
class HttpPolicies:
    """What is set here takes the place of what the route says; nothing of both is merged.  None and (): the route's counts.

    is_error: what outlier detection takes for an error; None: statuses from 500 on.
    """

    retry: RetryPolicy | None = None
    hash_policies: tuple[HashPolicy, ...] = ()
    mirrors: tuple[MirrorPolicy, ...] = ()
    is_error: Callable[[ResponseHeaders], bool] | None = None

    def retry_policy(self, of_route: RetryPolicy | None) -> RetryPolicy | None:
        """As Envoy: how long one try may take remains the route's, even where all else of its policy is hidden."""
        if self.retry is None or of_route is None:
            return self.retry or of_route
        times = (of_route.per_try_timeout, of_route.per_try_idle_timeout)
        return replace(self.retry, per_try_timeout=times[0], per_try_idle_timeout=times[1]) if any(times) else self.retry

    def judged_status(self, response: ResponseHeaders, status: int) -> int:
        """The status that outlier detection shall see.  status: the response's own."""
        if self.is_error is None:
            return status
        return max(status, _ERROR) if self.is_error(response) else _SUCCESS
