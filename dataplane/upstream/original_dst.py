"""The hosts of a cluster that sends each connection where it was bound for: made when they are asked for, gone when nobody asks any more.

Here: which destination a request means, and which destinations are remembered.  Not here: hosts and their pools (cluster), where a
restored destination comes from (extensions.filters.listener).
Envoy: OriginalDstCluster; Cluster.{original_dst_lb_config, cleanup_interval}.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, cast

from dataplane.base.address import SocketAddress, parse_ip_and_port
from dataplane.snapshot.cluster import Endpoint, LoadAssignment, Locality, LocalityEndpoints

if TYPE_CHECKING:
    from collections.abc import Callable

    from dataplane.api.upstream import DestinationContext
    from dataplane.base.deadlines import Deadline, DeadlineWheel
    from dataplane.observe.stats import Counter
    from dataplane.snapshot.cluster import OriginalDst
    from dataplane.upstream.host import UpstreamHost


class OriginalDestinations:
    """Of one cluster.  assign: makes hosts of endpoints.  find: the host of an address.  invalid: counts destinations that are none."""

    __slots__ = ("_assign", "_cluster_name", "_deadline", "_deadlines", "_find", "_invalid", "_settings", "_used")

    def __init__(
        self,
        cluster_name: str,
        settings: OriginalDst,
        deadlines: DeadlineWheel,
        assign: Callable[[LoadAssignment], None],
        find: Callable[[SocketAddress], UpstreamHost | None],
        invalid: Counter,
    ) -> None:
        self._cluster_name = cluster_name
        self._settings = settings
        self._deadlines = deadlines
        self._assign = assign
        self._find = find
        self._invalid = invalid
        self._used: dict[SocketAddress, bool] = {}  # whether it was since the last look
        self._deadline: Deadline | None = None

    def configure(self, settings: OriginalDst) -> None:
        self._settings = settings

    def pick(self, context: object) -> UpstreamHost | None:
        """balancing.policies.Picker: the host of the destination that *context* means, None where it means none.

        context: an api.upstream.DestinationContext, or None.
        """
        destination = None if context is None else self._destination(cast("DestinationContext", context))
        if destination is None:
            return None
        if self._settings.port_override:
            destination = SocketAddress(destination.host, self._settings.port_override)
        known = destination in self._used
        self._used[destination] = True
        if not known:
            self._publish()
            if self._deadline is None:
                self._deadline = self._deadlines.arm(self._settings.cleanup_interval, self._clean)
        return self._find(destination)

    def stop(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _destination(self, context: DestinationContext) -> SocketAddress | None:
        """What the metadata says, else the header, else where the connection was bound for."""
        settings, info = self._settings, context.info
        if settings.metadata_path:
            for metadata in (info.dynamic_metadata, info.connection_metadata):
                found = self._parse(_value(metadata, settings.metadata_path))
                if found is not None:
                    return found
        if settings.header_name:
            value = context.request_header(settings.header_name)
            found = self._parse("" if value is None else value.decode("latin-1"))
            if found is not None:
                return found
        local = info.downstream_local_address
        return local if info.destination_restored and isinstance(local, SocketAddress) else None

    def _parse(self, text: str) -> SocketAddress | None:
        if not text:
            return None
        found = parse_ip_and_port(text)
        if found is None:
            self._invalid.inc()
        return found

    def _publish(self) -> None:
        endpoints = tuple(Endpoint(address, self._cluster_name + str(address)) for address in self._used)
        self._assign(LoadAssignment(self._cluster_name, (LocalityEndpoints(Locality(), endpoints),)))

    def _clean(self) -> None:
        """Forget who was not asked for since the last time."""
        kept = dict.fromkeys((address for address, used in self._used.items() if used), False)
        changed = len(kept) != len(self._used)
        self._used = kept
        self._deadline = self._deadlines.arm(self._settings.cleanup_interval, self._clean) if kept else None
        if changed:
            self._publish()


def _value(metadata: Mapping[str, object] | None, path: tuple[str, ...]) -> str:
    value: object = metadata
    for key in path:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value if isinstance(value, str) else ""
