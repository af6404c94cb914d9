"""TLS towards those who connect to us: the compiled socket of a filter chain.

Here: which context a handshake gets, by the name that is asked for, and what is made of its result.
Not here: bytes (transport), what contexts are told (contexts).  Implements api.transport_socket.DownstreamTransportSocket.
Envoy: ServerSslSocketFactory, ServerContextImpl::selectTlsContext.
"""

from __future__ import annotations

import asyncio
import ssl
import weakref
from collections.abc import Mapping
from typing import Final

from dataplane.api.transport_socket import SecuredProtocol
from dataplane.base.errors import FieldPath
from dataplane.extensions.transport_sockets.tls.certificate import Certificate
from dataplane.extensions.transport_sockets.tls.client_certificates import lenient_verdict
from dataplane.extensions.transport_sockets.tls.contexts import server_context
from dataplane.extensions.transport_sockets.tls.errors import failure_reason, verification_reason
from dataplane.extensions.transport_sockets.tls.facts import ConnectionFacts
from dataplane.extensions.transport_sockets.tls.live_contexts import LiveContexts, Materials
from dataplane.extensions.transport_sockets.tls.resumption import Resumption
from dataplane.extensions.transport_sockets.tls.stapling import Counted, staple
from dataplane.extensions.transport_sockets.tls.stats import StatsByScope, TlsStats
from dataplane.extensions.transport_sockets.tls.transport import TlsTransport
from dataplane.extensions.transport_sockets.tls.verdict import Verdict
from dataplane.extensions.transport_sockets.tls.verify import Verifier, looks_at_certificates
from dataplane.observe.stats import Scope
from dataplane.snapshot.secret import TlsCertificate
from dataplane.snapshot.tls import DownstreamTls


class ServerContexts:
    """A context for every set of certificates that a name can select."""

    def __init__(self, config: DownstreamTls, materials: Materials, at: FieldPath) -> None:
        certificates, validation = materials.certificates, materials.validation
        self._by_name: Final[dict[str, ssl.SSLContext]] = {}
        self._locals: Final[dict[int, Certificate]] = {}
        self._asks: Final = validation is not None  # clients for a certificate
        looks = validation is not None and looks_at_certificates(validation)
        self._verifier: Final = Verifier(validation) if validation is not None and looks else None
        self.lets_in_untrusted: Final = validation is not None and validation.lets_in_untrusted
        self._has_authority: Final = validation is not None and validation.has_authority
        resumption = Resumption(config, materials, at)
        counted = self._counted = Counted()
        made: dict[tuple[int, ...], ssl.SSLContext] = {}
        weakly: Final = weakref.ref(self)  # we hold the contexts; whoever shakes hands holds us

        def by_name(tls: ssl.SSLObject, name: str | None, context: ssl.SSLContext) -> None:
            contexts = weakly()
            if contexts is not None:
                contexts._on_server_name(tls, name, context)

        def context_for(chosen: list[int]) -> ssl.SSLContext:
            key = tuple(_one_of_each_type(certificates, chosen))
            if key not in made:
                chosen_ones = [certificates[index] for index in key]
                context = made[key] = server_context(config, chosen_ones, validation, at)
                resumption.apply(context)
                staple(config, context, chosen_ones, counted, at)
                context.sni_callback = by_name
                self._locals[id(context)] = Certificate.from_pem(certificates[key[0]].chain)
            return made[key]

        self.default: Final = context_for(list(range(len(certificates))))
        if len(certificates) > 1:
            for name in {name for certificate in certificates for name in certificate.names}:
                indices = [index for index, each in enumerate(certificates) if name in each.names]
                self._by_name[name.removeprefix("*")] = context_for(indices)

    def begin(self, above: SecuredProtocol, stats: TlsStats) -> TlsTransport:
        self._counted.stats = stats
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = self.default.wrap_bio(incoming, outgoing, server_side=True)
        return TlsTransport(_Handshakes(self, stats), above, incoming, outgoing, tls)

    def facts(self, layer: TlsTransport) -> ConnectionFacts:
        tls = layer.tls
        local = self._locals.get(id(tls.context))
        name = getattr(tls, "requested_name", "")
        return ConnectionFacts(tls, name, layer.alpn, local, self._asks)

    def verdict(self, tls: ssl.SSLObject, facts: ConnectionFacts) -> Verdict:
        if self.lets_in_untrusted and (found := lenient_verdict(tls, self._has_authority)) is not None:
            return found
        if self._verifier is None:
            return Verdict.GOOD
        certificate = facts.peer_certificate
        return Verdict.GOOD if certificate is None else self._verifier.verdict(certificate, facts)

    def _on_server_name(self, tls: ssl.SSLObject, name: str | None, context: ssl.SSLContext) -> None:
        """Runs inside the handshake: remember the name, turn to the certificate that is for it."""
        name = (name or "").lower()
        tls.requested_name = name  # type: ignore[attr-defined]  # the library has no place for it, and hands us this object back
        if self._by_name:
            found = self._by_name.get(name)
            if found is None and (dot := name.find(".")) > 0:
                found = self._by_name.get(name[dot:])
            if found is not None and found is not context:
                tls.context = found


def _one_of_each_type(certificates: tuple[TlsCertificate, ...], indices: list[int]) -> list[int]:
    """The first of each key type: a client may want the one or the other."""
    first: dict[str, int] = {}
    for index in indices:
        first.setdefault(certificates[index].key_type, index)
    return sorted(first.values())


class _Handshakes:
    """Implements transport.Owner."""

    __slots__ = ("_contexts", "_stats")

    def __init__(self, contexts: ServerContexts, stats: TlsStats) -> None:
        self._contexts = contexts
        self._stats = stats

    def on_handshake_done(self, layer: TlsTransport) -> bool:
        facts = self._contexts.facts(layer)
        verdict = self._contexts.verdict(layer.tls, facts)
        if verdict is not Verdict.GOOD:
            self._stats.on_verdict(verdict)
        if verdict is not Verdict.GOOD and not self._contexts.lets_in_untrusted:
            layer.above.on_not_secured(verification_reason(verdict, facts.peer_certificate), facts)
            return False
        self._stats.on_handshake(layer.tls, facts)
        if facts.peer_certificate is None:
            self._stats.no_certificate.inc()
        layer.above.on_secured(facts)
        return True

    def on_handshake_failed(self, layer: TlsTransport, error: ssl.SSLError | None) -> None:
        if error is not None:
            self._stats.on_error(error)
        layer.above.on_not_secured("" if error is None else failure_reason(error), None)

    def on_session(self, layer: TlsTransport) -> None:
        """Clients keep sessions, we do not."""

    def on_closed(self, layer: TlsTransport, exc: Exception | None) -> None:
        layer.above.connection_lost(exc)


class DownstreamTlsSocket:
    """See the module.  at: the place of the configuration, for errors."""

    def __init__(self, config: DownstreamTls, at: FieldPath) -> None:
        self.config: Final = config
        self._stats = StatsByScope("ssl.")
        self._live = LiveContexts(
            config.common, lambda materials: ServerContexts(config, materials, at), config.ticket_keys_reference
        )

    def materials(self, secrets: Mapping[str, object]) -> Materials | None:
        """What a handshake that begins now is made with, None while a secret has never been there."""
        return self._live.materials(secrets)

    def accept(
        self, transport: asyncio.Transport, above: SecuredProtocol, secrets: Mapping[str, object], scope: Scope
    ) -> TlsTransport | None:
        contexts = self._live.follow(secrets)
        if contexts is None:
            scope.counter("server_ssl_socket_factory.downstream_context_secrets_not_ready").inc()
            return None
        layer = contexts.begin(above, self._stats.of(scope))
        layer.connection_made(transport)
        return layer
