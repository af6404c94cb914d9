"""A worker's copy of the configuration: made of the facts it is told, used as a whole.

Here: compiling what is new, linking, swapping, in the order that configuration.Configuration keeps in a process that is alone.
Not here: what may be used already: the main process has decided that, what it tells is a complete generation.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Any, Final, cast

from dataplane.base.address import Address
from dataplane.base.errors import ConfigError, InvalidResource
from dataplane.compile.link import link
from dataplane.compile.resource import compile_resource
from dataplane.listener.manager import ListenerManager
from dataplane.observe.log import set_level
from dataplane.server.engine import Engine
from dataplane.server.workers.board import GENERATION, Key, ResourceFact
from dataplane.server.workers.messages import Applied, Drain, Facts
from dataplane.server.workers.shared_counts import ToldBlocks
from dataplane.snapshot.listener import Listener
from dataplane.upstream.findings import Findings
from dataplane.xds.types import CLUSTER, ENDPOINT, LISTENER, ROUTE, SCOPED_ROUTE, SECRET

_log = logging.getLogger("config")

# Requests wait no longer than this for a piece of the work on a new generation.
_SLICE: Final = 0.002


class Inherited:
    """Listening sockets that came from the main process and wait for their listener.  Implements listener.manager.BindSockets."""

    def __init__(self) -> None:
        self._sockets: dict[tuple[str, Address], tuple[socket.socket, ...]] = {}

    def put(self, listener: str, address: Address, descriptors: Iterable[int]) -> None:
        self.drop(listener, address)
        self._sockets[listener, address] = tuple(socket.socket(fileno=each) for each in descriptors)

    def __call__(self, address: Address, listener: Listener) -> tuple[socket.socket, ...]:
        found = self._sockets.pop((listener.name, address), None)
        if found is None:
            raise OSError(f"no socket for {address} came from the main process")
        return found

    def drop(self, listener: str, address: Address) -> None:
        for unused in self._sockets.pop((listener, address), ()):
            unused.close()


class Replica:
    """One per worker.  inherited: the listeners' source of sockets.  blocks: of the counts that workers share."""

    def __init__(
        self, engine: Engine, listeners: ListenerManager, inherited: Inherited, findings: Findings, blocks: ToldBlocks
    ) -> None:
        self._engine = engine
        self._listeners = listeners
        self._inherited = inherited
        self._findings = findings
        self._blocks = blocks
        self._values: dict[str, dict[str, Any]] = {
            type_url: {} for type_url in (CLUSTER, ENDPOINT, LISTENER, ROUTE, SCOPED_ROUTE, SECRET)
        }
        self._generation = 0
        self._drain = Drain()
        self.draining = asyncio.Event()
        """Set while connections are asked to go."""
        self.closed = False
        self.ending = False
        """Connections go as soon as they are idle."""

    async def apply(self, facts: Facts, descriptors: Sequence[int]) -> Applied:
        """Live by *facts*.  Returns when everything of them is in use."""
        self._take_sockets(facts.changed, descriptors)
        refused = await self._compile(facts.changed)
        for key in facts.gone:
            self._forget(key)
        for key, fact in facts.changed.items():
            self._learn(key, fact)
        self._follow_drain(facts.changed)  # first: where nothing is accepted any more, no listener is opened
        await self._swap()
        return Applied(self._generation, refused)

    def _take_sockets(self, changed: Mapping[Key, object], descriptors: Sequence[int]) -> None:
        waiting = iter(descriptors)
        for key, count in changed.items():
            if key.kind == "socket":
                assert key.address is not None
                self._inherited.put(key.name, key.address, islice(waiting, cast("int", count)))

    async def _compile(self, changed: Mapping[Key, object]) -> list[str]:
        """Nothing of it is used yet: the loop goes on between the pieces."""
        refused: list[str] = []
        until = time.monotonic() + _SLICE
        for key, fact in changed.items():
            if not isinstance(fact, ResourceFact):
                continue
            context = self._engine.compile_context(added_via_api=fact.added_via_api)
            try:
                self._values[key.type_url][key.name] = compile_resource(key.type_url, fact.body, context).value
            except (ConfigError, InvalidResource) as error:
                refused.append(f"{key.type_url} {key.name}: {error}")
            if time.monotonic() > until:
                await asyncio.sleep(0)
                until = time.monotonic() + _SLICE
        return refused

    def _forget(self, key: Key) -> None:
        if key.kind == "resource":
            self._values[key.type_url].pop(key.name, None)
        elif key.kind == "socket" and key.address is not None:
            self._inherited.drop(key.name, key.address)
        elif key.kind in ("names", "checks", "ejections"):
            self._findings.forget(key.name)
        elif key.kind == "failures":
            self._findings.forget_blocks(key.name)
        elif key.kind == "counts":
            self._blocks.by_name.pop(key.name, None)

    def _learn(self, key: Key, fact: Any) -> None:
        if key.kind == GENERATION:
            self._generation = fact
        elif key.kind == "names":
            self._findings.tell_names(key.name, fact)
        elif key.kind == "checks":
            self._findings.tell_checks(key.name, fact)
        elif key.kind == "ejections":
            self._findings.tell_ejections(key.name, fact)
        elif key.kind == "failures":
            self._findings.tell_blocks(key.name, fact)
        elif key.kind == "counts":
            self._blocks.by_name[key.name] = fact
        elif key.kind == "levels":
            for component, level in fact.items():
                set_level(level, component)

    async def _swap(self) -> None:
        holder, values = self._engine.holder, self._values
        previous = holder.current
        current = link(
            values[LISTENER],
            values[ROUTE],
            values[CLUSTER],
            values[ENDPOINT],
            previous,
            values[SECRET],
            values[SCOPED_ROUTE],
        )
        if current is previous:
            return
        self._listeners.bind(current.listeners)
        self._engine.clusters.apply(previous, current)
        holder.current = current
        await self._listeners.apply(previous, current)

    def _follow_drain(self, changed: Mapping[Key, object]) -> None:
        drain = changed.get(Key("drain"))
        if not isinstance(drain, Drain):
            return
        before, self._drain = self._drain, drain
        if drain.asked and drain.request != before.request:
            self._listeners.start_draining(drain.seconds, drain.gradual, drain.inbound_only, drain.spares_modify_only)
        elif before.asked and not drain.asked:
            self._listeners.stop_draining()
        if drain.asked or drain.closed:
            self.draining.set()
        else:
            self.draining.clear()
        if drain.closed:
            self._listeners.stop_accepting(drain.closed_inbound_only)
            self.closed = True
        self.ending = drain.ending
