"""What all pools of one cluster share: made from the cluster's configuration, anew when that changes in a way that connections feel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from dataplane.base.deadlines import DeadlineWheel
    from dataplane.semantics.h1_fields import FieldParser
    from dataplane.semantics.h1_head import ResponseHeadParser
    from dataplane.upstream.cluster_stats import ConnectionStats
    from dataplane.upstream.connector import Connector

DEFAULT_IDLE_TIMEOUT: Final = 3600.0


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
