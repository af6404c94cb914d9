"""TLS to a management server by Envoy's rules, for gRPC, whose own TLS always wants a name in the certificate.

gRPC connects in clear to a local socket of ours; each such connection is carried over one TLS connection to the server.  The socket has
an abstract name, so it needs no writable directory, and only this very process is let in: behind it is our client certificate.

Here: verification as a cluster's UpstreamTlsContext says (no authority: none; an authority: the chain; names: one of them).
Not here: google_grpc, which has gRPC's rules (grpc_channel).
Envoy: extensions.transport_sockets.tls.v3.UpstreamTlsContext, CertificateValidationContext.
"""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import socket
import ssl
import struct
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Final, cast

from dataplane.base.address import Address, PipeAddress
from dataplane.base.errors import ConfigError, FieldPath
from dataplane.xds.source import Tls

log = logging.getLogger("connection")

_CHUNK: Final = 64 * 1024
_PEER_CREDENTIALS: Final = struct.Struct("3i")  # pid, uid, gid

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class TlsRelay:
    """An async context manager; lives as long as the channel that uses it.  connect_timeout: seconds, handshake included.

    Raises ConfigError for certificates and keys that cannot be used.
    """

    def __init__(self, address: Address, tls: Tls, connect_timeout: float) -> None:
        self._address = address
        self._tls = tls
        self._context = ssl_context(tls)
        self._connect_timeout = connect_timeout
        self._name = f"pointsman-{secrets.token_hex(16)}"
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self.failure = ""  # why the last connection was not made; gRPC only sees that it was closed

    @property
    def target(self) -> str:
        """What gRPC dials."""
        return f"unix-abstract:{self._name}"

    async def __aenter__(self) -> TlsRelay:
        local = socket.socket(socket.AF_UNIX)
        local.bind(f"\0{self._name}")
        self._server = await asyncio.start_unix_server(self._accepted, sock=local)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._server is not None:
            self._server.close()
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._carry(reader, writer))
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        remote: Streams | None = None
        try:
            _require_own_process(writer)
            async with asyncio.timeout(self._connect_timeout):
                remote = await self._connect()
            require_name(remote[1].get_extra_info("ssl_object"), self._tls.subject_alt_names)
            await _pump_both((reader, writer), remote)
        except TimeoutError:
            self.failure = f"no TLS connection within {self._connect_timeout} s"
        except OSError as error:  # ssl.SSLError is one
            self.failure = f"TLS: {error}"
        finally:
            writer.close()
            if remote is not None:
                remote[1].close()

    async def _connect(self) -> Streams:
        name = self._tls.server_name
        if isinstance(self._address, PipeAddress):
            path = f"\0{self._address.path[1:]}" if self._address.path.startswith("@") else self._address.path
            return await asyncio.open_unix_connection(path, ssl=self._context, server_hostname=name)
        return await asyncio.open_connection(self._address.host, self._address.port, ssl=self._context, server_hostname=name)


def ssl_context(tls: Tls) -> ssl.SSLContext:
    """A client context with Envoy's idea of verification.  Raises ConfigError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["h2"])
    try:
        if tls.root_certificates is None:
            context.verify_mode = ssl.CERT_NONE
        else:
            context.load_verify_locations(cadata=tls.root_certificates.decode("ascii"))
        if tls.certificate_chain is not None:
            _load_key_pair(context, tls.certificate_chain + b"\n" + (tls.private_key or b""))
    except (OSError, ValueError) as error:
        raise ConfigError(
            FieldPath("transport_socket") / "common_tls_context", f"unusable certificate or key: {error}"
        ) from error
    return context


def _load_key_pair(context: ssl.SSLContext, pem: bytes) -> None:
    """The library only reads files, so it gets one that exists in memory alone."""
    with os.fdopen(os.memfd_create("key-pair", os.MFD_CLOEXEC), "wb") as file:
        file.write(pem)
        file.flush()
        context.load_cert_chain(f"/proc/self/fd/{file.fileno()}")


def require_name(connection: ssl.SSLObject, names: tuple[str, ...]) -> None:
    """Raise ssl.SSLError unless the peer's certificate has one of *names*, or none is asked for."""
    if not names:
        return
    certificate = cast(Mapping[str, Iterable[tuple[str, str]]], connection.getpeercert() or {})
    alternatives = {value for _, value in certificate.get("subjectAltName", ())}
    if alternatives.isdisjoint(names):
        raise ssl.SSLError(f"the certificate is for {sorted(alternatives)}, not for any of {list(names)}")


def _require_own_process(writer: asyncio.StreamWriter) -> None:
    local: socket.socket = writer.get_extra_info("socket")
    credentials = local.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER_CREDENTIALS.size)
    pid, _, _ = _PEER_CREDENTIALS.unpack(credentials)
    if pid != os.getpid():
        log.warning("process %d tried to use our connection to the management server", pid)
        raise PermissionError(f"process {pid} is not this one")


async def _pump_both(local: Streams, remote: Streams) -> None:
    """Until either side ends."""
    tasks = (asyncio.create_task(_pump(local[0], remote[1])), asyncio.create_task(_pump(remote[0], local[1])))
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    while data := await source.read(_CHUNK):
        sink.write(data)
        await sink.drain()
