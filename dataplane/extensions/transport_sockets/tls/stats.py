"""Counters of TLS, under `listener.<address>.ssl.` and `cluster.<name>.ssl.`.  Envoy: configuration/listeners/stats, "TLS statistics"."""

from __future__ import annotations

import ssl
from typing import Final

from dataplane.extensions.transport_sockets.tls.negotiated import Negotiated, negotiated
from dataplane.extensions.transport_sockets.tls.verdict import Verdict
from dataplane.observe.stats import Counter, Scope
from dataplane.observe.tls_facts import TlsFacts


class TlsStats:
    """One listener's or one cluster's."""

    def __init__(self, scope: Scope) -> None:
        self._scope: Final = scope
        self.connection_error: Final = scope.counter("connection_error")
        self.handshake: Final = scope.counter("handshake")
        self.session_reused: Final = scope.counter("session_reused")
        self.no_certificate: Final = scope.counter("no_certificate")
        self.fail_verify_no_cert: Final = scope.counter("fail_verify_no_cert")
        self.fail_verify_error: Final = scope.counter("fail_verify_error")
        self.fail_verify_san: Final = scope.counter("fail_verify_san")
        self.fail_verify_cert_hash: Final = scope.counter("fail_verify_cert_hash")
        self.ocsp_staple_requests: Final = scope.counter("ocsp_staple_requests")
        self.of_staples: Final = {name: scope.counter(f"ocsp_staple_{name}") for name in ("failed", "omitted", "responses")}
        scope.counter("was_key_usage_invalid")
        self._by_kind: Final[dict[tuple[str, str], Counter]] = {}

    def on_handshake(self, connection: ssl.SSLObject, facts: TlsFacts) -> None:
        self.handshake.inc()
        if connection.session_reused:
            self.session_reused.inc()
        self._kind("versions", facts.version).inc()
        self._kind("ciphers", facts.cipher).inc()
        if isinstance(asked := negotiated(), Negotiated):
            group, signature = asked.of(connection)
            self._count_named("curves", group)
            self._count_named("sigalgs", signature)

    def _count_named(self, kind: str, name: str) -> None:
        if name:
            self._kind(kind, name).inc()

    def on_error(self, error: ssl.SSLError) -> None:
        """As Envoy, a connection that fails for its certificate is not counted as an error as well."""
        if error.reason == "PEER_DID_NOT_RETURN_A_CERTIFICATE":
            self.fail_verify_no_cert.inc()
        elif isinstance(error, ssl.SSLCertVerificationError):
            self.fail_verify_error.inc()
        else:
            self.connection_error.inc()

    def on_verdict(self, verdict: Verdict) -> None:
        match verdict:
            case Verdict.SAN | Verdict.IDENTITY:
                self.fail_verify_san.inc()
            case Verdict.HASH:
                self.fail_verify_cert_hash.inc()
            case _:
                self.fail_verify_error.inc()

    def _kind(self, kind: str, value: str) -> Counter:
        found = self._by_kind.get((kind, value))
        if found is None:
            found = self._by_kind[kind, value] = self._scope.counter(f"{kind}.{value}")
        return found


class StatsByScope:
    """The counters of a compiled socket: made for the first connection, and again should it serve another scope."""

    __slots__ = ("_scope", "_stats", "_suffix")

    def __init__(self, suffix: str) -> None:
        self._suffix = suffix
        self._scope: Scope | None = None
        self._stats: TlsStats | None = None

    def of(self, scope: Scope) -> TlsStats:
        if self._stats is None or self._scope is not scope:
            self._scope, self._stats = scope, TlsStats(scope.scope(self._suffix))
        return self._stats
