"""Several resource types over one stream, without I/O.

Here: which request goes out next, and what becomes of a response that nobody asked for.  Not here: one type's protocol (sotw, delta).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Protocol

from dataplane.xds.messages import DeltaRequest, Request, Response, SotwRequest
from dataplane.xds.subscription import Change
from dataplane.xds.types import rank


class Machine(Protocol):
    """One type URL of either protocol."""

    def open(self) -> None: ...

    def change(self, change: Change) -> None: ...

    def received(self, nonce: str, version_info: str) -> None: ...

    def accept(self) -> None: ...

    def refuse(self, error: str) -> None: ...

    def next_request(self) -> Request | None: ...

    def told(self) -> bool:
        """Whether the server knows of every name that was dropped."""

    def follows(self, name: str) -> bool:
        """Whether the server may believe that *name* is wanted."""


class Mux:
    """The types of one stream.  delta: which of the two protocols it speaks."""

    __slots__ = ("_machines", "_strangers", "delta")

    def __init__(self, delta: bool) -> None:
        self.delta = delta
        self._machines: dict[str, tuple[Machine, Callable[[], None]]] = {}
        self._strangers: deque[Request] = deque()

    def add(self, type_url: str, machine: Machine, on_told: Callable[[], None]) -> None:
        """Take in a type.  on_told: called when the server was told of every name that was dropped.

        Types are kept in the order of the table: clusters are asked for before listeners, whoever came first.
        """
        assert type_url not in self._machines, "one subscription per type and stream"
        machines = {**self._machines, type_url: (machine, on_told)}
        self._machines = dict(sorted(machines.items(), key=lambda item: rank(item[0])))

    def open(self) -> None:
        """A new stream."""
        self._strangers.clear()
        for machine, _ in self._machines.values():
            machine.open()

    def next_request(self) -> Request | None:
        """The request that is due, if any; it counts as sent."""
        if self._strangers:
            return self._strangers.popleft()
        for machine, on_told in self._machines.values():
            request = machine.next_request()
            if request is not None:
                if machine.told():
                    on_told()
                return request
        return None

    def refuse_stranger(self, response: Response) -> str:
        """Answer a response whose type was not subscribed to on this stream.  The stream lives on.  Returns the text."""
        error = f"no subscription for type URL {response.type_url!r}"
        if self.delta:
            self._strangers.append(DeltaRequest(response.type_url, response_nonce=response.nonce, error=error))
        else:
            self._strangers.append(SotwRequest(response.type_url, (), response_nonce=response.nonce, error=error))
        return error
