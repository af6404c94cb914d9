"""Overload: what monitors measure, and what the engine does less of because of it.

Here: the interface of a monitor, and the levels that the parts of the engine read.  Not here: measuring (extensions.resource_monitors), when
levels change (server.overload).  A process without an overload manager has no levels, and nobody asks for them.
Envoy: config.overload.v3.OverloadManager, Server::OverloadActionState.
"""

from __future__ import annotations

from typing import Protocol


class ResourceMonitor(Protocol):
    """One resource of the machine or of the process."""

    def pressure(self, main_process: int) -> float:
        """How much of it is taken, 0 to 1 and beyond.  Raises OSError or ValueError where that is not known.

        main_process: the one whose children, if it has some, carry the traffic.
        """


class OverloadLevels:
    """How much of each is given up: 0.0 nothing, 1.0 all, between them by chance.

    refuse_requests: answered with 503.  reject_connections: closed when they come.
    """

    __slots__ = ("refuse_requests", "reject_connections")

    def __init__(self) -> None:
        self.refuse_requests = 0.0
        self.reject_connections = 0.0
