"""SSL contexts: made once for a configuration and its secrets, never for a connection.

Here: what the library is told.  Not here: when a context is made anew (live_contexts), what is checked after the handshake (verify).
The library reads certificates from files only, so it gets files that exist in memory alone.
Envoy: extensions/transport_sockets/tls/context_impl.cc.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from dataplane.base.errors import ConfigError, FieldPath
from dataplane.extensions.transport_sockets.tls.client_certificates import (
    accept_any_certificate,
    name_authorities,
    untrusted,
)
from dataplane.extensions.transport_sockets.tls.openssl import UnreachableError, library_for, unreachable
from dataplane.snapshot.secret import TlsCertificate, ValidationContext
from dataplane.snapshot.tls import CommonTls, DownstreamTls, TlsParameters, UpstreamTls

_NO_CHECK_TIME: Final = 0x200000  # X509_V_FLAG_NO_CHECK_TIME, which the module does not name
_POST_QUANTUM: Final = "X25519MLKEM768"  # no curve, so it has to be asked for as a group
_OLD_VERSIONS: Final = frozenset({"TLSv1", "TLSv1_1"})


def server_context(
    config: DownstreamTls, certificates: Sequence[TlsCertificate], validation: ValidationContext | None, at: FieldPath
) -> ssl.SSLContext:
    """certificates: at most one of each key type.  Raises ConfigError.  Not here: which sessions are resumed (resumption)."""
    context = _context(ssl.PROTOCOL_TLS_SERVER, config.common, config.common.alpn, at)
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION | ssl.OP_SINGLE_ECDH_USE
    if config.prefer_client_ciphers:
        context.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE
    else:
        context.options |= ssl.OP_CIPHER_SERVER_PREFERENCE
    for certificate in certificates:
        _load_pair(context, certificate, at)
    _ask_for_client_certificate(context, config, validation, at)
    return context


def client_context(
    config: UpstreamTls,
    certificate: TlsCertificate | None,
    validation: ValidationContext | None,
    at: FieldPath,
    alpn: tuple[str, ...],
) -> ssl.SSLContext:
    """Without an authority any certificate will do, as in Envoy.  Raises ConfigError."""
    context = _context(ssl.PROTOCOL_TLS_CLIENT, config.common, alpn, at)
    context.check_hostname = False  # names are looked at as configured, after the handshake
    context.verify_mode = ssl.CERT_NONE
    if certificate is not None:
        _load_pair(context, certificate, at)
    if validation is not None and validation.has_authority:
        _expect_certificate(context, validation, at)
    return context


def _expect_certificate(context: ssl.SSLContext, validation: ValidationContext, at: FieldPath) -> None:
    if validation.lets_in_untrusted:
        leave = untrusted()
        if isinstance(leave, UnreachableError):  # everybody is let in, and it is not counted who was not trusted
            return
        leave.let_in(context)
    context.verify_mode = ssl.CERT_REQUIRED
    _load_authorities(context, validation, at)


def _context(protocol: ssl._SSLMethod, common: CommonTls, alpn: tuple[str, ...], at: FieldPath) -> ssl.SSLContext:
    context = ssl.SSLContext(protocol)
    parameters = common.parameters
    level = 0 if parameters.minimum in _OLD_VERSIONS else 1
    context.set_ciphers(f"{parameters.ciphers}:@SECLEVEL={level}")
    context.minimum_version = ssl.TLSVersion[parameters.minimum]
    context.maximum_version = ssl.TLSVersion[parameters.maximum]
    _choose_algorithms(context, parameters, at / "common_tls_context" / "tls_params")
    if alpn:
        context.set_alpn_protocols(list(alpn))
    return context


def _choose_algorithms(context: ssl.SSLContext, parameters: TlsParameters, at: FieldPath) -> None:
    curves, algorithms = parameters.curves, parameters.signature_algorithms
    if curves == (_POST_QUANTUM,) or len(curves) > 1:
        if not library_for(at / "ecdh_curves").set_groups(context, ":".join(curves)):
            raise ConfigError(at / "ecdh_curves", f"{ssl.OPENSSL_VERSION} does not have all of {':'.join(curves)}")
    elif curves:
        context.set_ecdh_curve(curves[0])
    place = at / "signature_algorithms"
    if algorithms and not library_for(place).set_signature_algorithms(context, ":".join(algorithms)):
        raise ConfigError(place, f"{ssl.OPENSSL_VERSION} does not have all of {':'.join(algorithms)}")

    place = at / "compliance_policies"
    suites = parameters.ciphersuites
    if suites and not library_for(place).set_ciphersuites(context, ":".join(suites)):
        raise ConfigError(place, f"{ssl.OPENSSL_VERSION} does not have all of {':'.join(suites)}")


def _ask_for_client_certificate(
    context: ssl.SSLContext, config: DownstreamTls, validation: ValidationContext | None, at: FieldPath
) -> None:
    if validation is None:  # as Envoy, nobody is asked then, whatever require_client_certificate says
        return
    place = at / "common_tls_context" / "validation_context"
    pinned = validation.certificate_hashes or validation.spki_hashes
    if not validation.has_authority:
        if pinned or validation.accept_untrusted:
            accept_any_certificate(library_for(place), context)
            context.verify_mode = _mode(required=not validation.accept_untrusted)
        return
    if validation.lets_in_untrusted:
        _let_in_untrusted(context, place / "trust_chain_verification")
    # As Envoy: who asks for a name or for certain certificates asks for a certificate.
    wanted = bool(validation.subject_alt_names or pinned or validation.trust_domains) and not validation.lets_in_untrusted
    context.verify_mode = _mode(required=config.require_client_certificate or wanted)
    _load_authorities(context, validation, at)
    if validation.authorities:
        with _in_memory(validation.authorities) as path:
            name_authorities(context, path)


def _mode(*, required: bool) -> ssl.VerifyMode:
    return ssl.CERT_REQUIRED if required else ssl.CERT_OPTIONAL


def _let_in_untrusted(context: ssl.SSLContext, at: FieldPath) -> None:
    leave = untrusted()
    if isinstance(leave, UnreachableError):
        raise unreachable(leave, at)
    leave.let_in(context)


def _load_authorities(context: ssl.SSLContext, validation: ValidationContext, at: FieldPath) -> None:
    if validation.system_roots:
        context.set_default_verify_paths()
    flags = ssl.VERIFY_X509_TRUSTED_FIRST | ssl.VERIFY_X509_PARTIAL_CHAIN
    if validation.crl:
        flags |= ssl.VERIFY_CRL_CHECK_LEAF if validation.only_verify_leaf_crl else ssl.VERIFY_CRL_CHECK_CHAIN
    context.verify_flags = ssl.VerifyFlags(flags | _NO_CHECK_TIME) if validation.allow_expired else flags
    if validation.max_verify_depth is not None:
        # The library does not count the authority, Envoy does; both take leaf and authority for the least.
        depth = max(0, validation.max_verify_depth - 1)
        library_for(at / "common_tls_context" / "validation_context" / "max_verify_depth").set_verify_depth(context, depth)
    try:
        for pem in (validation.authorities, validation.crl):
            if b"-----BEGIN" in pem:
                with _in_memory(pem) as path:
                    context.load_verify_locations(cafile=path)
    except (OSError, ValueError) as error:
        raise ConfigError(at, f"Failed to load trusted CA certificates from {validation.ca_path}") from error


def _load_pair(context: ssl.SSLContext, certificate: TlsCertificate, at: FieldPath) -> None:
    try:
        with _in_memory(certificate.chain + b"\n" + certificate.private_key) as path:
            context.load_cert_chain(path)
    except (OSError, ValueError) as error:
        raise ConfigError(at, f"Failed to load certificate chain from {certificate.path}") from error


@contextmanager
def _in_memory(data: bytes) -> Iterator[str]:
    with os.fdopen(os.memfd_create("pem", os.MFD_CLOEXEC), "wb") as file:
        file.write(data)
        file.flush()
        yield f"/proc/self/fd/{file.fileno()}"
