"""Opens gRPC channels to management servers.

Here: addresses, credentials and channel arguments as gRPC wants them.  Not here: streams, retries (ads_stream).
Envoy: config.core.v3.GrpcService.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, Protocol, cast

import grpc
import grpc.aio

from dataplane.base.address import Address, PipeAddress, SocketAddress
from dataplane.base.errors import ConfigError, FieldPath
from dataplane.xds.source import EnvoyGrpc, GoogleGrpc, GrpcService, Tls

ChannelArgs = list[tuple[str, str | int]]

# What `Call.read` returns at the end of a stream; the stubs do not know it.
EOF: Final = cast(Any, grpc.aio).EOF

_COMMON_ARGS: Final[ChannelArgs] = [
    # Back-off is ours: a shared subchannel would bring its own from an earlier try.
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.enable_http_proxy", 0),
    ("grpc.enable_retries", 0),
]


def pick_target(service: GrpcService, attempt: int) -> str:
    """The endpoint whose turn it is at the *attempt*-th try, in gRPC's name syntax.

    Raises ConfigError where the service has no endpoint.
    """
    target = service.target
    if isinstance(target, GoogleGrpc):
        return target.target_uri
    if not target.endpoints:
        raise ConfigError(FieldPath("envoy_grpc") / "cluster_name", f"cluster {target.cluster_name!r} has no endpoints")
    return target_uri(target.endpoints[attempt % len(target.endpoints)])


def open_channel(service: GrpcService, uri: str) -> grpc.aio.Channel:
    """A channel to what `pick_target` picked; nothing is dialled yet."""
    if isinstance(service.target, GoogleGrpc):
        return _google_channel(service.target)
    return _envoy_channel(service.target, uri)


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
    if target.tls is None:
        return grpc.aio.insecure_channel(uri, options=args)
    if target.tls.server_name:
        args.append(("grpc.ssl_target_name_override", target.tls.server_name))
    return grpc.aio.secure_channel(uri, _credentials(target.tls), options=args)


def _google_channel(target: GoogleGrpc) -> grpc.aio.Channel:
    args: ChannelArgs = [*_COMMON_ARGS, ("grpc.max_receive_message_length", -1), *target.channel_args]
    if target.tls is not None:
        if target.tls.server_name:
            args.append(("grpc.ssl_target_name_override", target.tls.server_name))
        return grpc.aio.secure_channel(target.target_uri, _credentials(target.tls), options=args)
    if target.local:
        kind = grpc.LocalConnectionType.UDS if target.target_uri.startswith("unix") else grpc.LocalConnectionType.LOCAL_TCP
        return grpc.aio.secure_channel(target.target_uri, grpc.local_channel_credentials(kind), options=args)
    return grpc.aio.insecure_channel(target.target_uri, options=args)


def _credentials(tls: Tls) -> grpc.ChannelCredentials:
    return grpc.ssl_channel_credentials(tls.root_certificates, tls.private_key, tls.certificate_chain)
