"""What the requests of one connection manager share, and what each of them knows of itself.

Here: `BoundRouter` and the state of one request.  Not here: what happens to it (router.router, router.timers, router.response).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from dataplane.observe.formatter_context import FormatterContext
from dataplane.router.answers import RouterStats
from dataplane.router.config import RouterConfig
from dataplane.router.virtual_clusters import CountersOfBoth, VirtualClusterStats

if TYPE_CHECKING:
    from dataplane.api.http_filter import HttpStream
    from dataplane.api.network_filter import ServerContext
    from dataplane.api.upstream import LiveCluster
    from dataplane.base.deadlines import Deadline
    from dataplane.observe.stats import Scope
    from dataplane.router.attempt import Attempt
    from dataplane.router.mirror import Mirror
    from dataplane.router.request_plan import RequestWishes
    from dataplane.router.retries import Retries, Verdict
    from dataplane.routing.route import ForwardAction, HeaderMutations, Route, WeightedCluster
    from dataplane.semantics.header_map import HeaderMap, RequestHeaders
    from dataplane.upstream.answer_counters import AnswerCounters


class BoundRouter:
    """What the requests of one connection manager share."""

    def __init__(self, config: RouterConfig, server: ServerContext, scope: Scope) -> None:
        self.config: Final = config
        self.clusters: Final = server.clusters
        self.deadlines: Final = server.deadlines
        self.clock: Final = server.clock
        self.stats: Final = RouterStats(scope)
        self.local_address: Final = server.local_address.encode()
        self.tells: Final = not config.suppress_envoy_headers
        self._server: Final = server
        self._virtual: dict[str, VirtualClusterStats] = {}
        self._for_mirrors: BoundRouter | None = None

    @property
    def for_mirrors(self) -> BoundRouter:
        """What copies are routed by: as every other request of our own making, in Envoy those of its `async-client`."""
        if self._for_mirrors is None:
            self._for_mirrors = BoundRouter(RouterConfig(), self._server, self._server.stats.scope("http.async-client."))
        return self._for_mirrors

    def counters_of_both(self, counters: AnswerCounters, host: str, name: str) -> CountersOfBoth:
        """Those of a cluster, and of the virtual cluster *name* of the virtual host *host*."""
        key = f"vhost.{host}.vcluster.{name}."
        virtual = self._virtual.get(key)
        if virtual is None:
            virtual = self._virtual[key] = VirtualClusterStats(self._server.stats.scope(key))
        return CountersOfBoth(counters, virtual)


class RequestState:
    """One request."""

    __slots__ = (
        "_action",
        "_alt_name",
        "_attempt",
        "_awaits_tunnel",
        "_backoff",
        "_body",
        "_body_size",
        "_bound",
        "_canary",
        "_choice",
        "_counters",
        "_deadline",
        "_has_body",
        "_internal",
        "_levels",
        "_mirrors",
        "_over",
        "_paused",
        "_retries",
        "_route",
        "_set_cookies",
        "_started",
        "_trailers",
        "_was_informed",
        "_wishes",
        "cluster",
        "headers",
        "info",
        "request_complete",
        "stream",
    )

    headers: RequestHeaders
    cluster: LiveCluster
    _route: Route
    _action: ForwardAction
    _wishes: RequestWishes
    _counters: AnswerCounters
    _canary: bool  # who answers is one

    def __init__(self, bound: BoundRouter, stream: HttpStream) -> None:
        self._bound = bound
        self.stream = stream
        self.info = stream.info
        self.request_complete = False
        self._has_body = False
        self._internal = False
        self._alt_name = ""
        self._levels: tuple[HeaderMutations, ...] = ()
        self._attempt: Attempt | None = None
        self._choice: WeightedCluster | None = None  # among weighted clusters
        self._set_cookies: Sequence[bytes] = ()  # for the client, so that its next request has the same hash
        self._retries: Retries | None = None
        self._trailers: HeaderMap | None = None
        self._deadline: Deadline | None = None  # of the whole response
        self._backoff: Deadline | None = None
        self._body: list[bytes] | None = None  # what a try that is still to come needs of the body
        self._body_size = 0
        self._paused = False
        self._started = False  # response headers were passed on
        self._over = False
        self._was_informed = False  # by an interim response
        self._awaits_tunnel = False  # what the client sends is held until the upstream grants it
        self._mirrors: Sequence[Mirror] = ()  # copies that take the body as well

    def _again(self, verdict: Verdict, attempt: Attempt) -> bool:
        """Whether another try follows; if so, it is under way.  Defined where tries are made (router.router)."""
        raise NotImplementedError

    def _log_attempt(self, attempt: Attempt | None) -> None:
        """A try is over: the router's own access log tells of each.  Envoy: Router.upstream_log."""
        loggers = self._bound.config.upstream_log
        if loggers and attempt is not None and not attempt.logged:
            attempt.logged = True
            context = FormatterContext(self.info, self.headers, attempt.response)
            for logger in loggers:
                logger.log(context)
