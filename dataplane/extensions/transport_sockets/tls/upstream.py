"""TLS towards those whom we connect to: the compiled socket of a cluster.

Here: the name that is asked for, sessions to resume, and what is made of a handshake.
Not here: bytes (transport), what contexts are told (contexts).  Implements api.transport_socket.UpstreamTransportSocket.
Envoy: ClientSslSocketFactory, ClientContextImpl.
"""

from __future__ import annotations

import ssl
from collections import deque
from collections.abc import Mapping
from functools import partial
from typing import Final

from dataplane.api.transport_socket import DialledProtocol
from dataplane.api.upstream import PoolFailure
from dataplane.base.errors import FieldPath
from dataplane.extensions.transport_sockets.tls.certificate import Certificate
from dataplane.extensions.transport_sockets.tls.client_certificates import lenient_verdict
from dataplane.extensions.transport_sockets.tls.contexts import client_context
from dataplane.extensions.transport_sockets.tls.errors import failure_reason, verification_reason
from dataplane.extensions.transport_sockets.tls.facts import ConnectionFacts
from dataplane.extensions.transport_sockets.tls.live_contexts import LiveContexts, Materials
from dataplane.extensions.transport_sockets.tls.stats import StatsByScope, TlsStats
from dataplane.extensions.transport_sockets.tls.transport import DiallingTransport, TlsTransport
from dataplane.extensions.transport_sockets.tls.verdict import Verdict
from dataplane.extensions.transport_sockets.tls.verify import Verifier, dns_name_matches, is_named, looks_at_certificates
from dataplane.observe.stats import Scope
from dataplane.snapshot.tls import UpstreamTls

# So many full handshakes in a row are the beginning, or a peer that was restarted; more are a peer that resumes no sessions.
_MOST_IN_VAIN: Final = 64


class ClientContext:
    """The context for one state of the secrets, and the sessions made with it, for no other may resume them."""

    def __init__(self, config: UpstreamTls, materials: Materials, at: FieldPath) -> None:
        certificates, validation = materials.certificates, materials.validation
        self._config: Final = config
        self._verifier: Final = Verifier(validation) if validation is not None and looks_at_certificates(validation) else None
        self.lets_in_untrusted: Final = validation is not None and validation.lets_in_untrusted
        self._has_authority: Final = validation is not None and validation.has_authority
        certificate = certificates[0] if certificates else None
        self._make: Final = partial(client_context, config, certificate, validation, at)
        self._contexts: Final = {config.common.alpn: self._make(config.common.alpn)}
        self._local: Final = None if certificate is None else Certificate.from_pem(certificate.chain)
        self._verifies: Final = self._contexts[config.common.alpn].verify_mode == ssl.CERT_REQUIRED
        self._sessions: Final[dict[int, deque[ssl.SSLSession]]] = {}
        self._in_vain = 0  # sessions that were looked at since one was resumed

    def begin(
        self, above: DialledProtocol, server_name: str, alpn: tuple[str, ...], stats: TlsStats, wanted_name: str
    ) -> DiallingTransport:
        """Raises ValueError for a name that cannot be asked for."""
        context = self._context(self._config.common.alpn or alpn)
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        sessions = self._sessions.get(id(context))
        session = sessions[-1] if sessions else None
        tls = context.wrap_bio(incoming, outgoing, server_hostname=server_name or None, session=session)
        return DiallingTransport(_Handshakes(self, stats, wanted_name), above, incoming, outgoing, tls)

    def facts(self, layer: TlsTransport) -> ConnectionFacts:
        return ConnectionFacts(layer.tls, layer.tls.server_hostname or "", layer.alpn, self._local, True)

    def verdict(self, tls: ssl.SSLObject, facts: ConnectionFacts, wanted_name: str) -> Verdict:
        if self.lets_in_untrusted and (found := lenient_verdict(tls, self._has_authority)) is not None:
            return found
        config = self._config
        certificate = facts.peer_certificate
        if wanted_name and self._verifies:
            return Verdict.GOOD if certificate is not None and is_named(certificate, wanted_name) else Verdict.SAN
        if config.auto_sni_san_validation and facts.server_name:
            names = certificate.dns_names if certificate is not None else ()
            if not any(dns_name_matches(facts.server_name, name) for name in names):
                return Verdict.SAN
        elif self._verifier is not None:
            return Verdict.HASH if certificate is None else self._verifier.verdict(certificate, facts)
        return Verdict.GOOD

    def on_handshake(self, tls: ssl.SSLObject) -> None:
        if tls.session_reused:
            self._in_vain = 0

    def keep_session(self, tls: ssl.SSLObject) -> bool:
        """Keep it after a full handshake; one that was resumed may be resumed again.  Returns whether it was looked at.

        Envoy differs: it uses a ticket of TLS 1.3 once.  Each look at a session costs 6 kB that CPython 3.11 never frees (measured), so we
        look as rarely as we can, and no more where the peer resumes nothing.
        """
        most = self._config.max_session_keys
        if not most or tls.session_reused or self._in_vain >= _MOST_IN_VAIN:
            return False
        self._in_vain += 1
        session = tls.session
        if session is not None and session.has_ticket:
            self._sessions.setdefault(id(tls.context), deque(maxlen=most)).append(session)
        return True

    def _context(self, alpn: tuple[str, ...]) -> ssl.SSLContext:
        found = self._contexts.get(alpn)
        if found is None:
            found = self._contexts[alpn] = self._make(alpn)
        return found


class _Handshakes:
    """Implements transport.Owner."""

    __slots__ = ("_context", "_looked_at_session", "_stats", "_wanted_name")

    def __init__(self, context: ClientContext, stats: TlsStats, wanted_name: str) -> None:
        self._context = context
        self._looked_at_session = False
        self._stats = stats
        self._wanted_name = wanted_name

    def on_handshake_done(self, layer: TlsTransport) -> bool:
        layer.facts = facts = self._context.facts(layer)
        verdict = self._context.verdict(layer.tls, facts, self._wanted_name)
        if verdict is not Verdict.GOOD:
            self._stats.on_verdict(verdict)
        if verdict is not Verdict.GOOD and not self._context.lets_in_untrusted:
            layer.above.connect_failed(
                PoolFailure.REMOTE_CONNECTION_FAILURE, verification_reason(verdict, facts.peer_certificate)
            )
            return False
        self._context.on_handshake(layer.tls)
        self._stats.on_handshake(layer.tls, facts)
        layer.above.connection_made(layer)
        return True

    def on_handshake_failed(self, layer: TlsTransport, error: ssl.SSLError | None) -> None:
        if error is not None:
            self._stats.on_error(error)
        layer.above.connect_failed(PoolFailure.REMOTE_CONNECTION_FAILURE, "" if error is None else failure_reason(error))

    def on_session(self, layer: TlsTransport) -> None:
        if not self._looked_at_session:
            self._looked_at_session = self._context.keep_session(layer.tls)

    def on_closed(self, layer: TlsTransport, exc: Exception | None) -> None:
        if layer.secured:
            self.on_session(layer)
            layer.above.connection_lost(exc)


class UpstreamTlsSocket:
    """See the module.  at: the place of the configuration, for errors."""

    def __init__(self, config: UpstreamTls, at: FieldPath) -> None:
        self.config: Final = config
        self.auto_host_sni: Final = config.auto_host_sni
        self._stats = StatsByScope("ssl.")
        self._live = LiveContexts(config.common, lambda materials: ClientContext(config, materials, at))

    def materials(self, secrets: Mapping[str, object]) -> Materials | None:
        """What a handshake that begins now is made with, None while a secret has never been there."""
        return self._live.materials(secrets)

    def dial(
        self,
        above: DialledProtocol,
        server_name: str,
        alpn: tuple[str, ...],
        secrets: Mapping[str, object],
        scope: Scope,
        wanted_name: str = "",
    ) -> TlsTransport | None:
        context = self._live.follow(secrets)
        if context is None:
            scope.counter("client_ssl_socket_factory.upstream_context_secrets_not_ready").inc()
            return None
        return context.begin(above, server_name or self.config.sni, alpn, self._stats.of(scope), wanted_name)
