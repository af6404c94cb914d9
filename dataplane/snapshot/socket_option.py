"""An option of a socket, of listeners and of upstream connections."""

from __future__ import annotations

from dataclasses import dataclass

PREBIND, BOUND, LISTENING = range(3)  # SocketOption.SocketState


@dataclass(frozen=True, slots=True)
class SocketOption:
    """`SocketOption`.  state: PREBIND, BOUND or LISTENING, when it is set."""

    level: int
    name: int
    value: int | bytes
    state: int = PREBIND
