"""Subscriptions that share one xDS stream: ADS, or a type's own service.

Here: which subscription a response belongs to, what a lost stream means for them, the state of the connection.
Not here: dialling and writing (ads_stream), what to say (mux), what a response does (client, watch).
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace

from dataplane.observe.stats import Scope
from dataplane.xds.ads_stream import DiscoveryStream
from dataplane.xds.delta import Delta
from dataplane.xds.messages import Response
from dataplane.xds.mux import Machine, Mux
from dataplane.xds.sotw import Sotw
from dataplane.xds.source import ApiSource
from dataplane.xds.status import StreamStatus
from dataplane.xds.watch import Watch
from dataplane.xds.wire import Codec, DeltaCodec, SotwCodec

log = logging.getLogger("config")


class StreamFeed:
    """deliver: what becomes of a response, acknowledgement included.  wall: calendar time.  jitter: a sample in [0, 1)."""

    def __init__(
        self,
        source: ApiSource,
        method: str,
        node: bytes,
        *,
        deliver: Callable[[Watch, Response], Awaitable[None]],
        wall: Callable[[], float],
        jitter: Callable[[], float],
        stats: Scope,
    ) -> None:
        codec: Codec = DeltaCodec(node) if source.delta else SotwCodec(node)
        self._delta = source.delta
        self._mux = Mux(source.delta)
        self._stream = DiscoveryStream(source, method, self._mux, codec, self, jitter)
        self._watches: dict[str, Watch] = {}
        self._deliver = deliver
        self._wall = wall
        self._connected_state = stats.gauge("connected_state")
        self._identifier = stats.text_readout("identifier")
        self._status = StreamStatus(method, False, "", wall(), "", "")
        self._connected_state.set(0)
        # Envoy's names; requests are not rate-limited here, so they stay zero.
        stats.gauge("pending_requests")
        stats.counter("rate_limit_enforced")

    def add(self, watch: Watch) -> None:
        """Carry a subscription; it has its names already."""
        machine: Machine
        if self._delta:
            machine = Delta(watch.kind.url, watch.subscription, watch.versions)
        else:
            machine = Sotw(watch.kind.url, watch.subscription)
        watch.machine = machine
        self._watches[watch.kind.url] = watch
        self._mux.add(watch.kind.url, machine, watch.told)
        self._stream.wake()

    def changed(self) -> None:
        """A subscription was given other names."""
        self._stream.wake()

    def start(self) -> None:
        self._stream.start()

    async def stop(self) -> None:
        await self._stream.stop()

    def status(self) -> StreamStatus:
        return self._status

    async def received(self, response: Response) -> None:
        self._note_identifier(response.control_plane)
        watch = self._watches.get(response.type_url)
        if watch is None:
            log.warning("response refused: %s", self._mux.refuse_stranger(response))
        else:
            await self._deliver(watch, response)
        self._stream.wake()

    def connected(self, peer: str) -> None:
        log.info("%s stream open to %s", self._status.method, peer)
        self._connected_state.set(1)
        self._status = replace(self._status, connected=True, peer=peer, since=self._wall(), last_failure="")

    def disconnected(self, reason: str) -> None:
        self._connected_state.set(0)
        self._status = replace(self._status, connected=False, peer="", since=self._wall(), last_failure=reason)
        for watch in self._watches.values():
            watch.failed(reason)

    def _note_identifier(self, identifier: str) -> None:
        if identifier and identifier != self._status.control_plane_identifier:
            self._identifier.set(identifier)
            self._status = replace(self._status, control_plane_identifier=identifier)
