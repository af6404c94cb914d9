"""SocketOption → snapshot.socket_option.  Envoy: config.core.v3.SocketOption."""

from __future__ import annotations

from collections.abc import Iterable

from envoy.config.core.v3.socket_option_pb2 import SocketOption

from dataplane.compile.support import supports
from dataplane.snapshot.socket_option import SocketOption as CompiledOption

supports(SocketOption.SocketType, "stream", "datagram")
supports(SocketOption.SocketType.Stream)
supports(SocketOption.SocketType.Datagram)
supports(
    SocketOption,
    "level",
    "name",
    "int_value",
    "buf_value",
    "description",
    "type",
    state=("STATE_PREBIND", "STATE_BOUND", "STATE_LISTENING"),
)


def compile_socket_options(options: Iterable[SocketOption]) -> tuple[CompiledOption, ...]:
    """Those of sockets for streams."""
    return tuple(
        CompiledOption(
            option.level,
            option.name,
            option.int_value if option.WhichOneof("value") == "int_value" else bytes(option.buf_value),
            option.state,
        )
        for option in options
        if option.type.HasField("stream") or not option.type.HasField("datagram")
    )
