"""Requests whose scheme is that of the connection that carries them upstream.  Envoy: SchemeHeaderTransformation.match_upstream.

Here: the router of connection managers that ask for it.  All others know nothing of this.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dataplane.router.router import BoundRouterFilter, RouterFactory, RouterStream

if TYPE_CHECKING:
    from dataplane.api.http_filter import HttpStream
    from dataplane.api.network_filter import ServerContext
    from dataplane.api.upstream import LiveHost, RequestEncoder, UpstreamConnectionInfo
    from dataplane.observe.stats import Scope
    from dataplane.router.attempt import Attempt


class SchemeMatchingFactory(RouterFactory):
    """Implements api.http_filter.TerminalFilterFactory."""

    def bind(self, server: ServerContext, stats: Scope) -> BoundRouterFilter:
        return _SchemeMatching(self.config, server, stats)


class _SchemeMatching(BoundRouterFilter):
    def new_stream(self, stream: HttpStream) -> RouterStream:
        return _SchemeMatchingStream(self, stream)


class _SchemeMatchingStream(RouterStream):
    """What is logged of a request that finds no connection has the scheme of its cluster."""

    __slots__ = ()

    def _try(self) -> bool:
        self._set_scheme(self.cluster.speaks_tls)
        return super()._try()

    def on_connected(self, attempt: Attempt, encoder: RequestEncoder, host: LiveHost, connection: UpstreamConnectionInfo) -> None:
        self._set_scheme(connection.tls is not None)
        super().on_connected(attempt, encoder, host, connection)

    def _set_scheme(self, is_secure: bool) -> None:
        self.headers.scheme = b"https" if is_secure else b"http"
