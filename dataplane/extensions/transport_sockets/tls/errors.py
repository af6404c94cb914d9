"""What Envoy calls a failed handshake: the reason of OpenSSL with the number that BoringSSL has for it.

Operators search their logs for these texts, so they are the same as far as the two libraries see the same.
Envoy: extensions/transport_sockets/tls/ssl_socket.cc, `TLS_error:|<code>:SSL routines:OPENSSL_internal:<reason>:TLS_error_end`.
"""

from __future__ import annotations

import ssl
from typing import Final

from dataplane.extensions.transport_sockets.tls.certificate import Certificate
from dataplane.extensions.transport_sockets.tls.verdict import Verdict

_LIBRARY: Final = 16 << 24  # ERR_LIB_SSL where BoringSSL packs it
_ALERT: Final = 1000  # reasons from here on are alerts of the peer

# OpenSSL's reason → BoringSSL's reason and its number (include/openssl/ssl.h, SSL_R_*).
_REASONS: Final = {
    "CERTIFICATE_VERIFY_FAILED": ("CERTIFICATE_VERIFY_FAILED", 125),
    "HTTP_REQUEST": ("HTTP_REQUEST", 156),
    "HTTPS_PROXY_REQUEST": ("HTTPS_PROXY_REQUEST", 155),
    "NO_SHARED_CIPHER": ("NO_SHARED_CIPHER", 184),
    "PEER_DID_NOT_RETURN_A_CERTIFICATE": ("PEER_DID_NOT_RETURN_A_CERTIFICATE", 192),
    "UNSUPPORTED_PROTOCOL": ("UNSUPPORTED_PROTOCOL", 240),
    "VERSION_TOO_LOW": ("UNSUPPORTED_PROTOCOL", 240),
    "WRONG_VERSION_NUMBER": ("WRONG_VERSION_NUMBER", 247),
    "RECORD_LAYER_FAILURE": ("WRONG_VERSION_NUMBER", 247),
    "SSLV3_ALERT_HANDSHAKE_FAILURE": ("SSLV3_ALERT_HANDSHAKE_FAILURE", _ALERT + 40),
    "SSLV3_ALERT_BAD_CERTIFICATE": ("SSLV3_ALERT_BAD_CERTIFICATE", _ALERT + 42),
    "SSLV3_ALERT_CERTIFICATE_REVOKED": ("SSLV3_ALERT_CERTIFICATE_REVOKED", _ALERT + 44),
    "SSLV3_ALERT_CERTIFICATE_EXPIRED": ("SSLV3_ALERT_CERTIFICATE_EXPIRED", _ALERT + 45),
    "SSLV3_ALERT_CERTIFICATE_UNKNOWN": ("SSLV3_ALERT_CERTIFICATE_UNKNOWN", _ALERT + 46),
    "TLSV1_ALERT_UNKNOWN_CA": ("TLSV1_ALERT_UNKNOWN_CA", _ALERT + 48),
    "TLSV1_ALERT_ACCESS_DENIED": ("TLSV1_ALERT_ACCESS_DENIED", _ALERT + 49),
    "TLSV1_ALERT_DECRYPT_ERROR": ("TLSV1_ALERT_DECRYPT_ERROR", _ALERT + 51),
    "TLSV1_ALERT_PROTOCOL_VERSION": ("TLSV1_ALERT_PROTOCOL_VERSION", _ALERT + 70),
    "TLSV1_ALERT_INTERNAL_ERROR": ("TLSV1_ALERT_INTERNAL_ERROR", _ALERT + 80),
    "TLSV1_UNRECOGNIZED_NAME": ("TLSV1_UNRECOGNIZED_NAME", _ALERT + 112),
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": ("TLSV1_ALERT_CERTIFICATE_REQUIRED", _ALERT + 116),
    "TLSV1_ALERT_NO_APPLICATION_PROTOCOL": ("TLSV1_ALERT_NO_APPLICATION_PROTOCOL", _ALERT + 120),
}

_END: Final = ":TLS_error_end"


def failure_reason(error: ssl.SSLError) -> str:
    """Envoy's text for *error*; with OpenSSL's reason alone where BoringSSL has none."""
    reason = error.reason or "UNKNOWN"
    name, number = _REASONS.get(reason, (reason, 0))
    text = _error(name, number)
    if isinstance(error, ssl.SSLCertVerificationError):
        # The library does not say how deep in the chain; nearly always it is the peer's own.
        cause = f"X509_verify_cert: certificate verification error at depth 0: {error.verify_message}"
        return _with_cause(text, f"verify cert failed: {cause}")
    if error.reason == "PEER_DID_NOT_RETURN_A_CERTIFICATE":
        return _with_cause(text, "peer did not provide required client certificate")
    return text


def verification_reason(verdict: Verdict, certificate: Certificate | None) -> str:
    """Envoy's text for a certificate that is not one of those wanted."""
    cause = f"verify cert failed: {verdict.value}"
    if verdict is Verdict.SAN:
        names = certificate.all_names if certificate is not None else ()
        cause += f", certificate SANs are [{', '.join(names)}]"
    return _with_cause(_error(*_REASONS["CERTIFICATE_VERIFY_FAILED"]), cause)


def _with_cause(text: str, cause: str) -> str:
    return f"{text.removesuffix(_END)}:{cause}{_END}"


def _error(name: str, number: int) -> str:
    return f"TLS_error:|{_LIBRARY + number}:SSL routines:OPENSSL_internal:{name}{_END}"
