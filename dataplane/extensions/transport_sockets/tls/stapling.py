"""OCSP responses that are shown with a certificate to clients who ask for them.

The library asks back in each handshake whose client wants one, of contexts that have some or have to have one; others never ask.
Spec: SSL_CTX_set_tlsext_status_cb(3), RFC 6066 section 8.  Envoy: ServerContextImpl::ocspStapleAction.
"""

from __future__ import annotations

import ctypes
import ssl
import time
from collections.abc import Mapping, Sequence
from ctypes import c_int, c_long, c_size_t, c_void_p
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from dataplane.base.errors import ConfigError, FieldPath
from dataplane.extensions.transport_sockets.tls.openssl import ByContext, OpenSsl, library_for
from dataplane.extensions.transport_sockets.tls.stats import TlsStats
from dataplane.snapshot.secret import TlsCertificate
from dataplane.snapshot.tls import DownstreamTls, StaplePolicy

_SET_STATUS_CALLBACK: Final = 63  # SSL_CTRL_SET_TLSEXT_STATUS_REQ_CB
_SET_RESPONSE: Final = 71  # SSL_CTRL_SET_TLSEXT_STATUS_REQ_OCSP_RESP
_SHOW, _END, _OMIT = 0, 2, 3  # SSL_TLSEXT_ERR_OK, _ALERT_FATAL, _NOACK
_KEY_TYPES: Final = {6: "RSA", 408: "EC"}  # EVP_PKEY_RSA, EVP_PKEY_EC


@dataclass(slots=True)
class Counted:
    """Where connections are counted; whoever begins a handshake says so."""

    stats: TlsStats | None = None


@dataclass(frozen=True, slots=True)
class Staples:
    """Of one context, by key type."""

    certificates: Mapping[str, TlsCertificate]
    policy: StaplePolicy
    counted: Counted

    def decide(self, key_type: str, now: float) -> tuple[int, bytes]:
        """What to tell the library, and the response to show.  now: calendar time."""
        certificate = self.certificates.get(key_type)
        staple = None if certificate is None else certificate.staple
        if staple is not None and now < staple.expires:
            counter, verdict, shown = "responses", _SHOW, staple.response
        elif staple is None or (self.policy is StaplePolicy.LENIENT and not (certificate and certificate.must_staple)):
            counter, verdict, shown = "omitted", _OMIT, b""
        else:
            counter, verdict, shown = "failed", _END, b""
        stats = self.counted.stats
        if stats is not None:
            stats.ocsp_staple_requests.inc()
            stats.of_staples[counter].inc()
        return verdict, shown


def staple(
    config: DownstreamTls,
    context: ssl.SSLContext,
    certificates: Sequence[TlsCertificate],
    counted: Counted,
    at: FieldPath,
) -> None:
    """certificates: of *context*, one of each key type.  Raises ConfigError for one that is to be shown with what is not there."""
    for certificate in certificates:
        if certificate.staple is None and certificate.must_staple:
            raise ConfigError(at / "common_tls_context", "OCSP response is required for must-staple certificate")
        if certificate.staple is None and config.staple_policy is StaplePolicy.MUST:
            raise ConfigError(at / "ocsp_staple_policy", "Required OCSP response is missing from TLS context")
    if any(certificate.staple is not None for certificate in certificates):
        found = library_for(at / "common_tls_context" / "tls_certificates" / "ocsp_staple")
        by_type = {certificate.key_type: certificate for certificate in certificates}
        _responder(found).use(context, Staples(by_type, config.staple_policy, counted))


_Callback = ctypes.CFUNCTYPE(c_int, c_void_p, c_void_p)


class _Responder:
    """Answers the library for all contexts.  It lives as long as the process: the library may ask at any time."""

    def __init__(self, library: OpenSsl) -> None:
        self._library = library
        self._staples: ByContext[Staples] = ByContext(library)
        self._certificate = library.declare("SSL_get_certificate", c_void_p, c_void_p)
        self._public_key = library.declare("X509_get0_pubkey", c_void_p, c_void_p)
        self._key_type = library.declare("EVP_PKEY_get_base_id", c_int, c_void_p)
        self._allocate = library.declare("CRYPTO_malloc", c_void_p, c_size_t, c_void_p, c_int)
        self._control = library.declare("SSL_ctrl", c_long, c_void_p, c_int, c_long, c_void_p)
        self._register = library.declare("SSL_CTX_callback_ctrl", c_long, c_void_p, c_int, _Callback)
        self._callback = _Callback(self._on_request)

    def use(self, context: ssl.SSLContext, staples: Staples) -> None:
        self._register(self._staples.put(context, staples), _SET_STATUS_CALLBACK, self._callback)

    def _on_request(self, connection: Any, argument: Any) -> int:
        """Asked when the certificate is chosen.  An exception here is printed, and the library shows nothing."""
        staples = self._staples.of(connection)
        certificate = self._certificate(connection)
        if staples is None or not certificate:
            return _OMIT
        kind = _KEY_TYPES.get(self._key_type(self._public_key(certificate)), "")
        verdict, shown = staples.decide(kind, time.time())
        return self._show(connection, shown) if verdict == _SHOW else verdict

    def _show(self, connection: Any, response: bytes) -> int:
        """The library frees what it is given, so it gets memory of its own."""
        copy = self._allocate(len(response), None, 0)
        if not copy:
            return _OMIT
        ctypes.memmove(copy, response, len(response))
        self._control(connection, _SET_RESPONSE, len(response), copy)
        return _SHOW


@cache
def _responder(library: OpenSsl) -> _Responder:
    return _Responder(library)
