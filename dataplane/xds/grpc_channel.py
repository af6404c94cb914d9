"""Opens gRPC channels to management servers.

Here: addresses, credentials and channel arguments as gRPC wants them.
Not here: streams, retries (ads_stream); what gRPC cannot do itself (relay).
Envoy: config.core.v3.GrpcService.
"""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Any, Final, Protocol, cast

import grpc
import grpc.aio

from dataplane.base.address import Address, PipeAddress, SocketAddress
from dataplane.base.errors import ConfigError, FieldPath
from dataplane.xds.relay import Relay
from dataplane.xds.source import EnvoyGrpc, GoogleGrpc, GrpcService

ChannelArgs = list[tuple[str, str | int]]

# What `Call.read` returns at the end of a stream; the stubs do not know it.
EOF: Final = cast(Any, grpc.aio).EOF

_COMMON_ARGS: Final[ChannelArgs] = [
    # Back-off is ours: a shared subchannel would bring its own from an earlier try.
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.enable_http_proxy", 0),
    ("grpc.enable_retries", 0),
]


class Connection:
    """A channel to one endpoint of a service, and what it takes to reach it.  An async context manager."""

    def __init__(self, service: GrpcService, attempt: int) -> None:
        """The endpoint is that whose turn it is at the *attempt*-th try.  Raises ConfigError where nothing can be dialled."""
        self.peer, self._address = _pick(service, attempt)
        self._target = service.target
        self._relay: Relay | None = None
        if isinstance(self._target, EnvoyGrpc) and self._address is not None and Relay.needed(self._target, self._address):
            self._relay = Relay(self._target, self._address)
        self._channel: grpc.aio.Channel | None = None

    @property
    def failure(self) -> str:
        """What gRPC cannot know about why the connection was not made; empty if there is nothing."""
        return self._relay.failure if self._relay is not None else ""

    async def __aenter__(self) -> grpc.aio.Channel:
        """Nothing is dialled before a stream is opened."""
        uri = self.peer
        if self._relay is not None:
            uri = (await self._relay.__aenter__()).target
        if isinstance(self._target, GoogleGrpc):
            self._channel = _google_channel(self._target)
        else:
            self._channel = _envoy_channel(self._target, uri)
        return self._channel

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._channel is not None:
            await self._channel.close(None)
        if self._relay is not None:
            await self._relay.__aexit__(kind, error, trace)


def _pick(service: GrpcService, attempt: int) -> tuple[str, Address | None]:
    """The endpoint as gRPC writes it, and its address where we resolve it ourselves."""
    target = service.target
    if isinstance(target, GoogleGrpc):
        return target.target_uri, None
    if not target.endpoints:
        raise ConfigError(FieldPath("envoy_grpc") / "cluster_name", f"cluster {target.cluster_name!r} has no endpoints")
    address = target.endpoints[attempt % len(target.endpoints)]
    return target_uri(address), address


class Call(Protocol):
    """The client's end of a stream of bytes: what is used of grpc.aio.StreamStreamCall."""

    async def wait_for_connection(self) -> None: ...

    async def read(self) -> bytes: ...

    async def write(self, request: bytes) -> None: ...

    async def code(self) -> grpc.StatusCode: ...

    async def details(self) -> str: ...

    def done(self) -> bool: ...

    def cancel(self) -> bool: ...


def open_call(channel: grpc.aio.Channel, method: str, headers: tuple[tuple[str, str], ...]) -> Call:
    """A stream that takes and gives bytes."""
    return cast(Call, cast(Any, channel).stream_stream(method)(metadata=headers))


def metadata(service: GrpcService) -> tuple[tuple[str, str], ...]:
    """The headers of a new stream.  Raises ConfigError if one comes from a file that cannot be read."""
    headers = list(service.initial_metadata)
    for source in service.file_metadata:
        try:
            value = Path(source.path).read_text().strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(FieldPath("google_grpc") / "call_credentials", f"{source.path}: {error}") from error
        headers.append((source.header_key.lower(), source.header_prefix + value))
    return tuple(headers)


def target_uri(address: Address) -> str:
    """An address in gRPC's name syntax."""
    match address:
        case PipeAddress(path=path) if path.startswith("@"):
            return f"unix-abstract:{path[1:]}"
        case PipeAddress(path=path):
            return f"unix:{path}"
        case SocketAddress(host=host) if host.replace(".", "").isdigit():
            return f"ipv4:{address}"
        case SocketAddress() if address.is_ipv6:
            return f"ipv6:{address}"
        case _:
            return f"dns:///{address}"


def _envoy_channel(target: EnvoyGrpc, uri: str) -> grpc.aio.Channel:
    args: ChannelArgs = [
        *_COMMON_ARGS,
        # Despite its name this bounds one attempt to connect.
        ("grpc.min_reconnect_backoff_ms", max(1, int(target.connect_timeout * 1000))),
        ("grpc.max_receive_message_length", target.max_receive_message_length or -1),
        ("grpc.default_authority", target.authority or target.cluster_name),
    ]
    return grpc.aio.insecure_channel(uri, options=args)


def _google_channel(target: GoogleGrpc) -> grpc.aio.Channel:
    args: ChannelArgs = [*_COMMON_ARGS, ("grpc.max_receive_message_length", -1), *target.channel_args]
    if target.tls is not None:
        tls = target.tls
        if tls.server_name:
            args.append(("grpc.ssl_target_name_override", tls.server_name))
        credentials = grpc.ssl_channel_credentials(tls.root_certificates, tls.private_key, tls.certificate_chain)
        return grpc.aio.secure_channel(target.target_uri, credentials, options=args)
    if target.local:
        kind = grpc.LocalConnectionType.UDS if target.target_uri.startswith("unix") else grpc.LocalConnectionType.LOCAL_TCP
        return grpc.aio.secure_channel(target.target_uri, grpc.local_channel_credentials(kind), options=args)
    return grpc.aio.insecure_channel(target.target_uri, options=args)
