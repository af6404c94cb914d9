"""Which sessions a server's contexts resume: those of contexts that would have trusted the same clients and shown the same names.

Here: tickets, the cache, how long.  Not here: the library's calls (openssl, ticket_keys).
By itself the library makes keys for each context, so a session is resumed by the context that it began with.  What is configured, or what
the workers of a process have in common, is known to several contexts.  So the keys that a context really has are made of that and of a
digest of what it shows and whom it trusts: the tickets of another one mean nothing to it.  (Envoy keeps them apart by the session id
context, which Python 3.13 sets itself, for each connection.)
Envoy: ServerContextImpl, generateHashForSessionContextId.
"""

from __future__ import annotations

import hashlib
import logging
import ssl
from collections.abc import Iterable

from cryptography import x509

from dataplane.base.errors import FieldPath
from dataplane.extensions.transport_sockets.tls.live_contexts import Materials
from dataplane.extensions.transport_sockets.tls.openssl import OpenSsl, library, library_for
from dataplane.extensions.transport_sockets.tls.ticket_keys import derived_key, use_ticket_keys
from dataplane.snapshot.secret import TlsCertificate
from dataplane.snapshot.tls import DownstreamTls

log = logging.getLogger("config")


class Resumption:
    """What the contexts of one server have in common."""

    def __init__(self, config: DownstreamTls, materials: Materials, at: FieldPath) -> None:
        """Raises ConfigError where something is asked for that our library cannot be told."""
        validation = materials.validation
        self._config = config
        self._at = at
        # A ticket does not carry the chain, and without it the trust domain of who comes back is not certain.
        self._tickets = config.stateless_resumption and not (validation is not None and validation.trust_domains)
        given = materials.ticket_keys or config.ticket_keys
        self._library, self._keys = self._shared_keys(given, _identity(config, materials))

    def apply(self, context: ssl.SSLContext) -> None:
        config, at = self._config, self._at
        if not self._tickets:
            context.options |= ssl.OP_NO_TICKET
            context.num_tickets = 0
        if not config.stateful_resumption:
            library_for(at / "disable_stateful_session_resumption").disable_session_cache(context)
        if config.session_timeout:
            library_for(at / "session_timeout").set_session_timeout(context, config.session_timeout)
        if self._library is not None:
            use_ticket_keys(self._library, context, self._keys)

    def _shared_keys(self, keys: tuple[bytes, ...], identity: bytes) -> tuple[OpenSsl | None, tuple[bytes, ...]]:
        """No library where each context shall have the library's own keys."""
        if not self._tickets:
            return None, ()
        if keys:
            return library_for(self._at / "session_ticket_keys"), tuple(derived_key(key, identity) for key in keys)
        if not self._config.ticket_seed:
            return None, ()
        found = library()
        if not isinstance(found, OpenSsl):
            log.info("sessions are resumed by the worker that they began with only: OpenSSL cannot be reached: %s", found)
            return None, ()
        return found, (derived_key(self._config.ticket_seed, identity),)


def _identity(config: DownstreamTls, materials: Materials) -> bytes:
    """The same in every process, and with a new certificate of the same names from the same authority, too."""
    validation = b"" if materials.validation is None else materials.validation.identity
    parts = [b"\1" if config.require_client_certificate else b"\0", validation, *_shown(materials.certificates)]
    digest = hashlib.sha256()
    for part in parts:
        digest.update(hashlib.sha256(part).digest())
    return digest.digest()


def _shown(certificates: Iterable[TlsCertificate]) -> Iterable[bytes]:
    for certificate in certificates:
        yield "\0".join(sorted(certificate.names)).encode()
        yield x509.load_pem_x509_certificates(certificate.chain)[0].issuer.public_bytes()
