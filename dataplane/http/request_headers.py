"""What a connection manager does to a request's headers before anybody routes by them.

Here: the order of the steps, and the quick way for requests that carry nothing special.  Not here: what each step means
(semantics.hop_by_hop, semantics.forwarded, semantics.path).
The order is Envoy's, and with it the order of the fields that are added: the upstream can see it.
Envoy: ConnectionManagerUtility::mutateRequestHeaders, maybeNormalizePath, maybeNormalizeHost.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from dataplane.base.address import Address, InternalAddress, PipeAddress, SocketAddress
from dataplane.base.errors import ProtocolError
from dataplane.http.client_certificate import element
from dataplane.http.config import (
    EscapedSlashesAction,
    ForwardClientCert,
    HttpConnectionManagerConfig,
    StripPort,
    UnderscoresAction,
)
from dataplane.http.local_address import local_address
from dataplane.http.original_ip import detect
from dataplane.http.peer import Peer
from dataplane.matching.cidr import LOOPBACK
from dataplane.semantics import forwarded, hop_by_hop, noticed, path, request_id
from dataplane.semantics.header_map import Field, RequestHeaders

if TYPE_CHECKING:
    from dataplane.api.network_filter import ServerContext
    from dataplane.api.original_ip import Detection
    from dataplane.http.stats import Http1Stats, HttpStats
from dataplane.observe.tls_facts import TlsFacts

_PROTO: Final = b"x-forwarded-proto"
_PORT: Final = b"x-forwarded-port"
_REQUEST_ID: Final = b"x-request-id"
_INTERNAL: Final = b"x-envoy-internal"
_CLIENT_CERT: Final = b"x-forwarded-client-cert"
_EXTERNAL_ADDRESS: Final = b"x-envoy-external-address"

_NOT_FROM_OUTSIDE: Final = forwarded.INTERNAL_ONLY | forwarded.EDGE_ONLY
_TE_ALONE: Final = (b"te",)  # of every gRPC call, with `trailers`: it goes on as it is, and nobody needs to notice it

_IN_AUTHORITY: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~%!$&'()*+,;=:@[]"
_FRAGMENT: Final = ord("#")  # asked for as a number: for one byte as bytes, `in` raises and catches a TypeError first
_UNDERSCORE: Final = ord("_")
_SCHEMES: Final = (b"http", b"https")


class Refusal(NamedTuple):
    """Why a request goes no further.  location: where it should go instead, b"" for nowhere."""

    status: int
    details: str
    location: bytes = b""
    protocol_error: bool = False  # the codec's verdict: body, DPE
    body: bytes = b""


class PreparedStream(Protocol):
    """What the preparation tells the stream it prepares."""

    downstream_remote_address: Address | None
    wants_upgrade: bool

    def send_continue(self) -> None: ...

    def end_connection(self) -> None: ...


class _Nobody:
    """The stream of a request that is only tried."""

    def __init__(self, address: Address) -> None:
        self.downstream_remote_address: Address | None = address
        self.wants_upgrade = False

    def send_continue(self) -> None: ...

    def end_connection(self) -> None: ...


class RequestPreparation:
    """The configured steps; one per connection manager."""

    def __init__(
        self,
        config: HttpConnectionManagerConfig,
        server: ServerContext,
        stats: HttpStats,
        http1_stats: Http1Stats,
        next_id: Callable[[], bytes],
    ) -> None:
        self._config = config
        self._http1_stats = http1_stats
        self._stats = stats
        self._next_id = next_id
        self._local = (server.local_address or local_address()).encode()
        self._user_agent = server.service_cluster.encode() if config.add_user_agent else b""
        self._node = server.service_node.encode()
        self._changes_path = (
            config.normalize_path
            or config.merge_slashes
            or config.path_with_escaped_slashes_action is not EscapedSlashesAction.KEEP_UNCHANGED
        )
        self._changes_host = config.strip_port is not StripPort.NONE or config.strip_trailing_host_dot
        self._changes_target = self._changes_path or self._changes_host
        self._judges_underscores = config.headers_with_underscores_action is not UnderscoresAction.ALLOW
        self._detectors = config.ip_detectors
        self._valid_authority = b""  # the last one that was looked at
        self._quick = config.generate_request_id and not (
            config.via or config.add_user_agent or config.scheme_to_overwrite or config.ip_detectors
        )

    def peer(self, remote: Address, local: Address, tls: TlsFacts | None = None) -> Peer:
        """Facts of a connection, worked out once."""
        if isinstance(remote, SocketAddress):
            told = self._local if remote.host in LOOPBACK else remote.host.encode()
        else:
            told = b"" if isinstance(remote, InternalAddress) else self._local
        port = local.port if isinstance(local, SocketAddress) else 0
        certificate = None if tls is None else tls.peer_certificate
        shown = None if tls is None or certificate is None else element(tls, certificate, self._config.client_cert_details)
        peer = Peer(remote, told, self._is_internal(remote), port, b"http" if tls is None else b"https", shown)
        peer.introduction = self._introduction(peer)
        peer.noticed = noticed.among(noticed.REQUEST, list(peer.introduction))
        return peer

    def _introduction(self, peer: Peer) -> tuple[Field, ...]:
        """What `_mutate` adds to a request without special fields, but for its id: found out by trying."""
        headers = RequestHeaders(b"GET", b"/", b"", peer.scheme)
        self._identify(headers, peer, _Nobody(peer.address), None)
        if self._config.use_remote_address and not peer.is_internal and isinstance(peer.address, SocketAddress):
            headers.add(_EXTERNAL_ADDRESS, peer.address.host.encode())
        self._tell_of_certificate(headers, peer)
        return tuple(headers.fields)

    def prepare(self, headers: RequestHeaders, has_host: bool, peer: Peer, stream: PreparedStream) -> Refusal | None:
        """Check and change *headers* until routing may read them.  Returns why the request goes no further, if it does not."""
        special: Sequence[bytes] | None = headers.noticed
        if special is None:
            special = noticed.among(noticed.REQUEST, headers.fields)
        if special == _TE_ALONE and headers.get(b"te") == b"trailers":
            special = ()
        if special or self._judges_underscores:
            had_host = headers.authority
            refusal = self._take_connection_fields(headers, special, stream)
            if refusal is not None:
                return refusal
            has_host = has_host and not (had_host and not headers.authority)
        target = headers.path
        if not has_host or self._changes_target or target[:1] != b"/" or _FRAGMENT in target or headers.method == b"QUERY":
            refusal = self._check(headers, has_host, peer)
            if refusal is not None:
                return refusal
        elif headers.authority != self._valid_authority:
            if headers.authority.translate(None, _IN_AUTHORITY):
                return Refusal(400, "http.invalid_authority", protocol_error=True)
            self._valid_authority = headers.authority
        if special or not self._quick:
            headers.noticed = None
            found = detect(self._detectors, headers, peer) if self._detectors else None
            if found is not None and found.reject_with:
                self._stats.rq_rejected_via_ip_detection.inc()
                return Refusal(found.reject_with, "rejecting_because_detection_failed")
            self._mutate(headers, peer, stream, found)
        else:
            if peer.scheme == b"https":
                headers.scheme = peer.scheme
            headers.fields += peer.introduction
            headers.fields.append((_REQUEST_ID, self._next_id()))
            headers.noticed = peer.noticed
        return None

    def _take_connection_fields(
        self, headers: RequestHeaders, special: Sequence[bytes], stream: PreparedStream
    ) -> Refusal | None:
        """What is said to us and not to the upstream."""
        if self._judges_underscores and (refusal := self._judge_underscores(headers)) is not None:
            return refusal
        if b"upgrade" in special and hop_by_hop.is_upgrade(headers):
            hop_by_hop.drop_upgrades(headers, self._config.http1.ignores_upgrade)
            stream.wants_upgrade = b"upgrade" in headers
        if b"proxy-connection" in special and (headers.get(b"proxy-connection") or b"").lower() == b"close":
            stream.end_connection()
        if b"connection" in special or not hop_by_hop.REQUEST_NAMES.isdisjoint(special):
            try:
                hop_by_hop.strip_request(headers, upgrades=stream.wants_upgrade)
            except ProtocolError as error:
                return Refusal(error.status, error.details, protocol_error=True)
        if (
            b"expect" in special
            and not self._config.proxy_100_continue
            and (headers.get(b"expect") or b"").lower() == b"100-continue"
        ):
            headers.remove(b"expect")
            stream.send_continue()
        return None

    def _judge_underscores(self, headers: RequestHeaders) -> Refusal | None:
        with_one = [field for field in headers.fields if _UNDERSCORE in field[0]]
        if not with_one:
            return None
        if self._config.headers_with_underscores_action is UnderscoresAction.REJECT_REQUEST:
            self._http1_stats.requests_rejected_with_underscores.inc()
            return Refusal(400, "http1.unexpected_underscore", protocol_error=True)
        self._http1_stats.dropped_headers_with_underscores.inc(len(with_one))
        headers.fields = [field for field in headers.fields if _UNDERSCORE not in field[0]]
        return None

    def _check(self, headers: RequestHeaders, has_host: bool, peer: Peer) -> Refusal | None:
        """What a request must have, whoever sent it; brings path and host into the configured form."""
        if not has_host:
            return Refusal(400, "missing_host_header")
        if headers.authority.translate(None, _IN_AUTHORITY):
            return Refusal(400, "http.invalid_authority", protocol_error=True)
        target = headers.path
        if target[:1] != b"/" and target:
            self._stats.rq_non_relative_path.inc()
            return Refusal(404, "absolute_path_rejected")
        if (self._changes_path or _FRAGMENT in target) and (refusal := self._normalize(headers)) is not None:
            return refusal
        if self._changes_host:
            self._normalize_host(headers, peer)
        if headers.method == b"QUERY" and b"content-type" not in headers:
            return Refusal(400, "query_missing_content_type")
        return None

    def _mutate(self, headers: RequestHeaders, peer: Peer, stream: PreparedStream, found: Detection | None) -> None:
        """Remove what must not go on, add what says who asks.  found: who that is, where the detectors were asked."""
        headers.remove(_INTERNAL)
        forwarded.sanitize_referer(headers)
        edge = self._identify(headers, peer, stream, found)
        self._set_scheme(headers)
        self._introduce_ourselves(headers)
        if edge and isinstance(stream.downstream_remote_address, SocketAddress):
            headers.set(_EXTERNAL_ADDRESS, stream.downstream_remote_address.host.encode())
        if self._config.generate_request_id:
            self._set_request_id(headers, edge)
        self._tell_of_certificate(headers, peer)

    def _tell_of_certificate(self, headers: RequestHeaders, peer: Peer) -> None:
        """As Envoy, what a peer without a certificate says about certificates counts for nothing."""
        action = self._config.forward_client_cert
        if action is ForwardClientCert.ALWAYS_FORWARD_ONLY:
            return
        if action is ForwardClientCert.SANITIZE or peer.client_cert is None:
            headers.remove(_CLIENT_CERT)
        elif action is ForwardClientCert.SANITIZE_SET:
            headers.set(_CLIENT_CERT, peer.client_cert)
        elif action is ForwardClientCert.APPEND_FORWARD:
            forwarded.append(headers, _CLIENT_CERT, peer.client_cert, b",")

    def _normalize(self, headers: RequestHeaders) -> Refusal | None:
        config = self._config
        target: bytes | None = headers.path
        assert target is not None
        redirect = False
        if _FRAGMENT in target:
            target = None
        elif config.path_with_escaped_slashes_action is not EscapedSlashesAction.KEEP_UNCHANGED:
            unescaped = path.unescape_slashes(target)
            redirect = (
                unescaped != target and config.path_with_escaped_slashes_action is EscapedSlashesAction.UNESCAPE_AND_REDIRECT
            )
            rejected = unescaped != target and config.path_with_escaped_slashes_action is EscapedSlashesAction.REJECT_REQUEST
            headers.path = unescaped
            target = None if rejected else unescaped
        if target is not None and config.normalize_path:
            target = path.normalize(target)
        if target is None or (redirect and _is_grpc(headers)):
            self._stats.rq_failed_path_normalization.inc()
            return Refusal(400, "path_normalization_failed")
        headers.path = path.merge_slashes(target) if config.merge_slashes else target
        if redirect:
            self._stats.rq_redirected_with_normalized_path.inc()
            return Refusal(307, "path_normalization_failed", location=headers.path)
        return None

    def _normalize_host(self, headers: RequestHeaders, peer: Peer) -> None:
        if self._config.strip_trailing_host_dot:
            headers.authority = path.strip_trailing_dot(headers.authority)
        if self._config.strip_port is not StripPort.NONE:
            only = peer.local_port if self._config.strip_port is StripPort.MATCHING else None
            headers.authority = path.strip_port(headers.authority, only)

    def _identify(self, headers: RequestHeaders, peer: Peer, stream: PreparedStream, found: Detection | None) -> bool:
        """Find out who asks; add to x-forwarded-for and -proto.  Returns whether the request enters the mesh here."""
        config = self._config
        hops = config.xff_num_trusted_hops
        address: Address | None = None
        if config.use_remote_address:
            alone = forwarded.FORWARDED_FOR not in headers
            address = forwarded.last_address(headers, hops - 1)[0] if hops else None
            internal = alone and (peer.is_internal if address is None else self._is_internal(address))
            self._append_peer(headers, peer)
        else:
            if found is None:
                address, alone = forwarded.last_address(headers, hops)
            else:
                address, alone = found.address, found.is_trusted
            internal = alone and address is not None and self._is_internal(address)
            if _PROTO not in headers:
                headers.add(_PROTO, peer.scheme)
            if config.append_x_forwarded_port and peer.local_port and _PORT not in headers:
                headers.add(_PORT, b"%d" % peer.local_port)
        if address is not None:
            stream.downstream_remote_address = address
        edge = config.use_remote_address and not internal
        self._mark(headers, internal, edge)
        return edge

    def _append_peer(self, headers: RequestHeaders, peer: Peer) -> None:
        config = self._config
        trusted = config.xff_num_trusted_hops > 0
        if not config.skip_xff_append and peer.forwarded_for:  # a listener of ours has no address to tell
            forwarded.append(headers, forwarded.FORWARDED_FOR, peer.forwarded_for, b",")
        if not trusted or _PROTO not in headers:
            headers.set(_PROTO, peer.scheme)
        if config.append_x_forwarded_port and peer.local_port and (not trusted or _PORT not in headers):
            headers.set(_PORT, b"%d" % peer.local_port)

    def _mark(self, headers: RequestHeaders, internal: bool, edge: bool) -> None:
        if internal:
            headers.add(_INTERNAL, b"true")
            return
        unwanted = _NOT_FROM_OUTSIDE if edge else forwarded.INTERNAL_ONLY
        headers.fields = [field for field in headers.fields if field[0] not in unwanted]

    def _is_internal(self, address: Address) -> bool:
        """Envoy: internal_address_config; without it nobody is (since 1.33)."""
        known = self._config.internal_addresses
        if known is None:
            return False
        if not isinstance(address, SocketAddress):
            return known.unix_sockets and isinstance(address, PipeAddress)
        ip = ipaddress.ip_address(address.host.partition("%")[0])
        return any(ip in network for network in known.cidr_ranges)

    def _set_scheme(self, headers: RequestHeaders) -> None:
        if self._config.scheme_to_overwrite:
            headers.scheme = self._config.scheme_to_overwrite
            headers.set(_PROTO, headers.scheme)
            return
        said = (headers.get(_PROTO) or b"").lower()
        if said in _SCHEMES:
            headers.scheme = said

    def _introduce_ourselves(self, headers: RequestHeaders) -> None:
        if self._user_agent:
            headers.set(b"x-envoy-downstream-service-cluster", self._user_agent)
            if not headers.get(b"user-agent"):
                headers.set(b"user-agent", self._user_agent)
            if self._node:
                headers.set(b"x-envoy-downstream-service-node", self._node)
        if self._config.via:
            forwarded.append(headers, b"via", self._config.via, b", ")

    def _set_request_id(self, headers: RequestHeaders, edge: bool) -> None:
        if (edge and not self._config.preserve_external_request_id) or not headers.get(_REQUEST_ID):
            headers.set(_REQUEST_ID, self._next_id())
        elif edge and self._config.request_id.pack_trace_reason:  # who sent it has no say in what is traced
            request_id.set_reason(headers, request_id.NOT_TRACED)


def _is_grpc(headers: RequestHeaders) -> bool:
    return (headers.get(b"content-type") or b"").startswith(b"application/grpc")
