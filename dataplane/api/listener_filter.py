"""Listener filters: what looks at a connection before its filter chain is chosen.  Envoy: config.listener.v3.ListenerFilter.

Filters run in their order, each on the bytes that the ones before left.  They peek: what they do not take, whoever comes next reads.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import socket

    from dataplane.base.address import Address
    from dataplane.observe.stats import StatsStore


class Inspection(Enum):
    """What a filter says of the bytes so far."""

    DONE = "done"
    MORE = "more bytes needed"
    CLOSE = "close the connection"  # the filter has counted why


class Inspected:
    """One connection while it is inspected: facts to add to, bytes to look at.

    introduced: a PROXY header said who is behind the connection.  ja3, ja4: fingerprints of a TLS client.
    data: what was received and not taken.  ended: the peer will send no more.  sock: None where there is none.
    restored: local_address was learnt, and may be that of another listener (Listener.use_original_dst).
    dynamic_metadata: by namespace.  filter_state: by name.  proxy_protocol_tlvs: type and value of those that upstream connections pass on.
    """

    __slots__ = (
        "application_protocols",
        "data",
        "dynamic_metadata",
        "ended",
        "filter_state",
        "introduced",
        "ja3",
        "ja4",
        "local_address",
        "proxy_protocol_tlvs",
        "remote_address",
        "restored",
        "server_name",
        "sock",
        "stats",
        "transport_failure_reason",
        "transport_protocol",
    )

    def __init__(
        self, local_address: Address, remote_address: Address, stats: StatsStore, sock: socket.socket | None = None
    ) -> None:
        self.local_address = local_address
        self.remote_address = remote_address
        self.stats = stats
        self.sock = sock
        self.restored = False
        self.introduced = False
        self.dynamic_metadata: dict[str, dict[str, object]] = {}
        self.filter_state: dict[str, object] = {}
        self.proxy_protocol_tlvs: tuple[tuple[int, bytes], ...] = ()
        self.data = b""
        self.ended = False
        self.server_name = ""
        self.ja3 = self.ja4 = ""
        self.transport_protocol = ""
        self.application_protocols: tuple[str, ...] = ()
        self.transport_failure_reason = ""


class ListenerFilter(Protocol):
    """A compiled listener filter.  It keeps nothing of a connection: it is asked again with all bytes when more have come."""

    def inspect(self, inspected: Inspected) -> Inspection:
        """Look at `inspected.data`; take what is meant for this filter alone off its front."""
