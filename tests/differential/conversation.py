"""One case against one proxy: the clients connect and follow their scripts, the upstreams answer by theirs."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.differential import h2_talk
from tests.differential.case import Case, UpstreamScript
from tests.differential.framing import HEAD_END, count_final_responses, read_head, read_request
from tests.differential.script import Act, Await, Send, Step, speaks_http2
from tests.differential.wire import Scene, StuckError, Wire

# After the last expected byte: as long as this nothing more may come before a connection counts as left open.
SETTLE = 0.12
# Between the pieces of a split message, the proxy has this long to do something with the piece before, and reads it in any case.
PIECE_PAUSE = 0.005


@dataclass(slots=True)
class Transcript:
    """What one end of a connection saw of the proxy."""

    received: bytes
    ended: bool
    """The proxy closed the connection (FIN or RST) before the script or the end of the case did."""


@dataclass(slots=True)
class Outcome:
    """Everything of one case that is compared."""

    clients: dict[str, Transcript] = field(default_factory=dict)
    upstreams: dict[str, list[Transcript]] = field(default_factory=dict)
    stuck: list[str] = field(default_factory=list)
    """Steps that waited in vain."""
    access_log: list[str] = field(default_factory=list)
    stats: dict[str, int] = field(default_factory=dict)


def _transcript(wire: Wire, http2: bool) -> Transcript:
    received = bytes(wire.received)
    return Transcript(h2_talk.readable(received) if http2 else received, wire.ended and not wire.closed_here)


class ScriptedUpstream:
    """The endpoint of one cluster: accepts, records, follows its scripts."""

    def __init__(self, script: UpstreamScript, scene: Scene) -> None:
        self._script = script
        self._scene = scene
        self._server: asyncio.Server | None = None
        self._reserved: socket.socket | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self.wires: list[Wire] = []
        self.port = 0

    async def open(self) -> None:
        if self._script.kind == "refuse":
            # Bound but not listening: the port stays ours and connecting to it is refused.
            self._reserved = socket.socket()
            self._reserved.bind(("127.0.0.1", 0))
            self.port = self._reserved.getsockname()[1]
        elif self._script.kind in ("script", "answer"):
            self._server = await asyncio.get_running_loop().create_server(self._accept, "127.0.0.1", 0)
            self.port = self._server.sockets[0].getsockname()[1]

    def _accept(self) -> Wire:
        wire = Wire(self._scene, self._scene.upstream_bytes)
        scripts = self._script.connections
        steps = scripts[min(len(self.wires), len(scripts) - 1)]
        self.wires.append(wire)
        self._tasks.append(asyncio.create_task(self._follow(wire, steps)))
        return wire

    async def _follow(self, wire: Wire, steps: tuple[Step, ...]) -> None:
        # A script may end in the middle of its connection: the proxy decides when a case is over, not the upstream.
        with contextlib.suppress(StuckError):
            await self._scene.until(lambda: wire._transport is not None, "connection")
            actor = Actor(wire, self._scene)
            if self._script.kind == "script":
                await actor.follow(steps)
                return
            while True:
                await actor.answer(steps[0])

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for wire in self.wires:
            wire.close()
        if self._server is not None:
            self._server.close()
        if self._reserved is not None:
            self._reserved.close()


class Actor:
    """Follows a script on one connection, on either side of the proxy."""

    def __init__(self, wire: Wire, scene: Scene) -> None:
        self._wire = wire
        self._scene = scene
        self._read = 0
        """Up to where messages were awaited and found."""
        self._methods: list[bytes] = []
        self._responses_awaited = 0

    async def follow(self, steps: tuple[Step, ...]) -> None:
        for step in steps:
            if isinstance(step, Send):
                await self._send(step)
            elif isinstance(step, Await):
                await self._wait(step)
            else:
                self._act(step)

    async def answer(self, step: Step) -> None:
        """Wait for one more request and answer it, as a decent server does: no body after HEAD."""
        assert isinstance(step, Send)
        method = await self._wait_request("request")
        pieces = step.head_only if method == b"HEAD" else step.pieces
        await self._send(Send(pieces))

    async def finish(self) -> None:
        """Wait until every request sent is answered, and for the close that an answer announces, or for any other close."""
        await self._scene.until(self._all_answered, f"{len(self._methods)} responses")
        if b"connection: close\r\n" in self._wire.received:
            await self._scene.until(lambda: self._wire.ended, "the announced close")

    def _all_answered(self) -> bool:
        wire = self._wire
        return wire.ended or wire.closed_here or count_final_responses(bytes(wire.received), self._methods) >= len(self._methods)

    async def _send(self, step: Send) -> None:
        self._methods.extend(step.request_methods)
        for number, piece in enumerate(step.pieces):
            if number:
                await asyncio.sleep(PIECE_PAUSE)
                await self._wire.taken()
            self._wire.send(piece)

    async def _wait(self, step: Await) -> None:
        wire, scene = self._wire, self._scene
        if step.kind == "eof":
            await scene.until(lambda: wire.ended, "eof")
        elif step.kind == "client":
            await scene.until(lambda: step.text in scene.client_bytes, f"client got {step.text!r}")
        elif step.kind == "upstream":
            await scene.until(lambda: step.text in scene.upstream_bytes, f"upstream got {step.text!r}")
        elif step.kind == "streams":
            wanted = int(step.text)
            await scene.until(
                lambda: wire.ended or h2_talk.ended_streams(bytes(wire.received)) >= wanted, f"{wanted} streams ended"
            )
        elif step.kind == "begun":
            begun = int(step.text)
            await scene.until(
                lambda: wire.ended or h2_talk.begun_streams(bytes(wire.received)) >= begun, f"{begun} streams begun"
            )
        elif step.kind == "told":
            await scene.until(lambda: step.text in h2_talk.readable(bytes(wire.received)), f"told {step.text!r}")
        elif step.kind == "mark":
            await scene.until(lambda: step.text.decode() in scene.marks, f"mark {step.text!r}")
        elif step.kind == "response":
            self._responses_awaited += 1
            wanted = self._responses_awaited
            await scene.until(lambda: count_final_responses(bytes(wire.received), self._methods) >= wanted, f"response {wanted}")
        elif step.kind == "continue":
            await scene.until(lambda: HEAD_END in wire.received, "an interim response")
        else:
            await self._wait_request(step.kind)

    async def _wait_request(self, kind: str) -> bytes:
        find = read_request if kind == "request" else read_head
        await self._scene.until(lambda: find(bytes(self._wire.received), self._read) is not None, kind)
        found = find(bytes(self._wire.received), self._read)
        assert found is not None
        self._read = found.end
        return found.method

    def _act(self, step: Act) -> None:
        wire = self._wire
        if step.what == "mark":
            self._scene.marks.add(step.name)
            self._scene.changed()
        elif step.what == "close":
            wire.close()
        elif step.what == "half_close":
            wire.half_close()
        elif step.what == "reset":
            wire.abort()
        elif step.what == "pause":
            wire.pause_reading()
        else:
            wire.resume_reading()


class Conversation:
    """One case, first its upstreams (their ports go into the bootstrap), then the talk."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self._scene = Scene()
        self.upstreams = {name: ScriptedUpstream(script, self._scene) for name, script in case.upstreams.items()}

    async def open(self) -> dict[str, int]:
        """Start the upstreams; returns their ports."""
        for upstream in self.upstreams.values():
            await upstream.open()
        return {name: upstream.port for name, upstream in self.upstreams.items()}

    async def talk(self, port: int, is_busy: Callable[[], bool]) -> Outcome:
        """Run the clients against the proxy's listener and say what everybody saw.

        is_busy: says whether the proxy has something left to do.
        """
        self._scene.is_busy = is_busy
        outcome = Outcome()
        clients: dict[str, Wire] = {}
        await asyncio.gather(*(self._client(name, steps, port, clients, outcome) for name, steps in self.case.clients.items()))
        await self._scene.quiet(SETTLE)
        for name, wire in sorted(clients.items()):
            outcome.clients[name] = _transcript(wire, speaks_http2(self.case.clients[name]))
        for name, upstream in self.upstreams.items():
            outcome.upstreams[name] = [_transcript(wire, self.case.upstreams[name].http2) for wire in upstream.wires]
        for wire in clients.values():
            wire.close()
        return outcome

    async def _client(self, name: str, steps: tuple[Step, ...], port: int, clients: dict[str, Wire], outcome: Outcome) -> None:
        wire = Wire(self._scene, self._scene.client_bytes)
        try:
            await asyncio.get_running_loop().create_connection(lambda: wire, "127.0.0.1", port)
            clients[name] = wire
            actor = Actor(wire, self._scene)
            await actor.follow(steps)
            await actor.finish()
        except StuckError as stuck:
            outcome.stuck.append(f"{name}: waited in vain for {stuck}")
        except OSError as error:
            outcome.stuck.append(f"{name}: {type(error).__name__}")

    async def close(self) -> None:
        for upstream in self.upstreams.values():
            await upstream.close()
