"""What all pools of one cluster share: made from the cluster's configuration, anew when that changes in a way that connections feel."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from dataplane.base.deadlines import DeadlineWheel
from dataplane.base.write_queue import WriteQueue
from dataplane.semantics.h1_fields import FieldParser
from dataplane.semantics.h1_head import ResponseHeadParser
from dataplane.semantics.h1_options import DEFAULT_HTTP1, Http1Options
from dataplane.semantics.h2_options import DEFAULT_HTTP2, Http2Options
from dataplane.upstream.cluster_stats import ConnectionStats
from dataplane.upstream.connector import Connector

if TYPE_CHECKING:
    from dataplane.api.overload import LoadShedPoint
    from dataplane.observe.http2_stats import Http2Stats

DEFAULT_IDLE_TIMEOUT: Final = 3600.0


@dataclass(frozen=True, slots=True)
class Http2Settings:
    """What HTTP/2 pools share beyond that.

    stats: makes them with the first connection, so that clusters nobody asks cost nothing.  buffer_limit: bytes of a request that may wait
    for the host's window.
    """

    stats: Callable[[], Http2Stats]
    writes: WriteQueue
    chance: Callable[[], float]
    options: Http2Options = DEFAULT_HTTP2
    max_headers_count: int = 100
    buffer_limit: int = 1 << 20


@dataclass(frozen=True, slots=True)
class PoolSettings:
    """Times in seconds, 0 for no limit."""

    connector: Connector
    stats: ConnectionStats
    heads: ResponseHeadParser
    fields: FieldParser
    deadlines: DeadlineWheel
    clock: Callable[[], float]
    next_connection_id: Callable[[], int]
    max_head_bytes: int = 60 * 1024
    idle_timeout: float = DEFAULT_IDLE_TIMEOUT
    max_connection_duration: float = 0.0
    max_requests_per_connection: int = 0
    http1: Http1Options = DEFAULT_HTTP1
    http2: Http2Settings | None = None  # None: no pool of the cluster is HTTP/2
    shed: LoadShedPoint | None = None  # asked before a connection is made
    writes: WriteQueue | None = None  # of HTTP/1 connections; None: what is to be sent is written at once
