"""What a filter chain holds of an HTTP connection manager: it makes a `HttpConnection` for every connection of the chain."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from dataplane.http.connection_manager import HttpConnection
from dataplane.http.load_shedding import SheddingConnection
from dataplane.http.logged_connection import LoggedHttpConnection
from dataplane.http.manager import BoundManager

if TYPE_CHECKING:
    from dataplane.api.network_filter import DownstreamConnection
    from dataplane.http.config import HttpConnectionManagerConfig


class HttpConnectionManagerFactory:
    """What a filter chain holds (api.network_filter.NetworkFilterFactory).  Binds itself when its first connection comes."""

    __slots__ = ("_bound", "config")

    def __init__(self, config: HttpConnectionManagerConfig) -> None:
        self.config: Final = config
        self._bound: BoundManager | None = None

    def create(self, connection: DownstreamConnection) -> HttpConnection | SheddingConnection:
        bound = self._bound
        if bound is None or bound.server is not connection.server:
            bound = self._bound = BoundManager(self.config, connection.server, connection.stat_prefix)
        made = (LoggedHttpConnection if connection.listener.access_log else HttpConnection)(bound, connection)
        return made if bound.dispatch_points is None else SheddingConnection(made, bound.dispatch_points)

    def __repr__(self) -> str:
        return f"<HttpConnectionManagerFactory {self.config.stat_prefix}>"
