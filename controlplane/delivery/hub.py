"""The meeting point: configuration comes in by group, streams come in by proxy.

Here: which proxies there are, which group each belongs to, what each group shall have.  Not here: what a stream is told next
(stream), gRPC (xds.ads_service).  Used from one event loop; never waits.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from itertools import count

from controlplane.base.resource import GroupName, ResourceSet
from controlplane.delivery.cache import Cache
from controlplane.delivery.events import EventReader, Feed
from controlplane.delivery.order import Patience
from controlplane.delivery.proxy import Proxy
from controlplane.delivery.snapshot import Snapshot, advance
from controlplane.delivery.status import EventKind, NodeFacts, ProxyEvent, ProxyStatus, StreamKind
from controlplane.delivery.stream import XdsStream

# Long enough to see in `proxies` who has gone since the last look, short enough for a fleet whose members get new names daily.
REMEMBER_SECONDS = 600.0
MAX_REMEMBERED = 1000


class Hub:
    """Every proxy that is connected, and what it shall have.

    select: the group of a proxy; asked when it connects and at `reselect`.  now: calendar time, for status and events; the
    order of updates runs by the monotonic time that streams are given.
    A group for which nothing was published yet is silent: a control plane that has just started and not read its store must not
    tell a proxy that it has nothing.
    """

    def __init__(
        self, select: Callable[[NodeFacts], GroupName], now: Callable[[], float], patience: Patience | None = None
    ) -> None:
        self._select = select
        self._now = now
        self._patience = patience or Patience()
        self._cache = Cache()
        self._feed = Feed()
        self._snapshots: dict[GroupName, Snapshot] = {}
        self._proxies: dict[object, Proxy] = {}
        self._gone: deque[ProxyStatus] = deque(maxlen=MAX_REMEMBERED)
        self._proxy_ids = count(1)
        self._stream_numbers = count(1)

    def publish(self, group: GroupName, resources: ResourceSet) -> None:
        """Proxies of *group* shall have *resources* from now on."""
        snapshot = advance(self._snapshots.get(group), resources)
        self._snapshots[group] = snapshot
        self._cache.remember(snapshot)
        for proxy in self._proxies.values():
            if proxy.group == group:
                proxy.latest = snapshot
                proxy.wake()

    def reselect(self) -> None:
        """Ask `select` again for every proxy; those that fall into another group travel there, make before break."""
        for proxy in self._proxies.values():
            group = self._select(proxy.node)
            if group != proxy.group:
                self._enter(proxy, group)
                proxy.report(EventKind.REGROUPED, self._now())
                proxy.wake()

    def proxies(self) -> tuple[ProxyStatus, ...]:
        """Connected proxies, then those that have gone lately and not come back under the same node id."""
        connected = tuple(proxy.status() for proxy in self._proxies.values())
        present = {status.node.node_id for status in connected}
        oldest = self._now() - REMEMBER_SECONDS
        gone = (s for s in self._gone if (s.disconnected_at or 0.0) >= oldest and s.node.node_id not in present)
        return connected + tuple(gone)

    def subscribe_events(self) -> EventReader:
        """What happens from now on, as an async iterator."""
        return self._feed.subscribe()

    def wall(self) -> float:
        """Calendar time, as status and events have it."""
        return self._now()

    def snapshot(self, node: NodeFacts) -> Snapshot | None:
        """What a proxy with these facts shall have; None where nothing was published for it yet."""
        return self._snapshots.get(self._select(node))

    def open_stream(self, node: NodeFacts, peer: str, kind: StreamKind, wake: Callable[[], None], monotonic: float) -> XdsStream:
        """A stream has told who it is.  wake: called whenever the stream should ask for its next response."""
        wall = self._now()
        number = next(self._stream_numbers)
        # Without ADS a proxy opens many streams; they are one proxy if they share node id and connection.
        key: object = number if kind.is_ads else (node.node_id, peer)
        proxy = self._proxies.get(key)
        if proxy is None:
            proxy = Proxy(next(self._proxy_ids), key, node, peer, wall, self._patience, self._report)
            self._enter(proxy, self._select(node))
            self._proxies[key] = proxy
            proxy.report(EventKind.CONNECTED, wall)
        stream = XdsStream(number, kind, proxy, self._cache, wake, monotonic)
        proxy.streams.append(stream)
        return stream

    def close_stream(self, stream: XdsStream) -> None:
        """A stream has ended; with its last stream the proxy is gone."""
        proxy = stream.proxy
        wall = self._now()
        last_words = proxy.status(disconnected_at=wall)
        proxy.streams.remove(stream)
        if proxy.streams:
            proxy.wake()  # what waited for this stream's answers waits no more
            return
        del self._proxies[proxy.key]
        self._gone.append(last_words)
        proxy.report(EventKind.DISCONNECTED, wall)

    def _enter(self, proxy: Proxy, group: GroupName) -> None:
        proxy.group = group
        # A group that nothing was published for leaves a proxy as it is.
        proxy.latest = self._snapshots.get(group, proxy.latest)

    def _report(self, event: ProxyEvent) -> None:
        if self._feed.wanted:
            self._feed.put(event)
