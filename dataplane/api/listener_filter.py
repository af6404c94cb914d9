"""Listener filters: what looks at a connection before its filter chain is chosen.  Envoy: config.listener.v3.ListenerFilter.

Filters run in their order, each on the bytes that the ones before left.  They peek: what they do not take, whoever comes next reads.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from dataplane.base.address import Address
    from dataplane.observe.stats import StatsStore


class Inspection(Enum):
    """What a filter says of the bytes so far."""

    DONE = "done"
    MORE = "more bytes needed"
    CLOSE = "close the connection"


class Inspected:
    """One connection while it is inspected: facts to add to, bytes to look at.

    data: what was received and not taken.  ended: the peer will send no more.
    """

    __slots__ = (
        "application_protocols",
        "data",
        "ended",
        "local_address",
        "remote_address",
        "server_name",
        "stats",
        "transport_failure_reason",
        "transport_protocol",
    )

    def __init__(self, local_address: Address | None, remote_address: Address | None, stats: StatsStore) -> None:
        self.local_address = local_address
        self.remote_address = remote_address
        self.stats = stats
        self.data = b""
        self.ended = False
        self.server_name = ""
        self.transport_protocol = ""
        self.application_protocols: tuple[str, ...] = ()
        self.transport_failure_reason = ""


class ListenerFilter(Protocol):
    """A compiled listener filter.  It keeps nothing of a connection: it is asked again with all bytes when more have come."""

    def inspect(self, inspected: Inspected) -> Inspection:
        """Look at `inspected.data`; take what is meant for this filter alone off its front."""
