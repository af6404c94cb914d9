"""DownstreamTlsContext and UpstreamTlsContext → snapshot.tls.

Here: the shape and the rules that need no certificate of a peer.  Not here: secrets (secret), SSL contexts (extensions.transport_sockets.tls).
Cipher suites and curves carry BoringSSL's names; what OpenSSL cannot do is refused, not approximated.
Envoy: extensions.transport_sockets.tls.v3.{CommonTlsContext, DownstreamTlsContext, UpstreamTlsContext, TlsParameters, SdsSecretConfig}.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from envoy.extensions.transport_sockets.tls.v3.common_pb2 import TlsParameters as ParametersMessage
from envoy.extensions.transport_sockets.tls.v3.secret_pb2 import SdsSecretConfig
from envoy.extensions.transport_sockets.tls.v3.tls_pb2 import CommonTlsContext, DownstreamTlsContext, UpstreamTlsContext

from dataplane.base.errors import ConfigError, FieldPath, Problems
from dataplane.compile.cipher_suites import DEFAULT_CIPHERS, cipher_list
from dataplane.compile.compliance import FIPS_202205
from dataplane.compile.config_source import compile_config_source
from dataplane.compile.context import CompileContext
from dataplane.compile.secret import compile_certificate
from dataplane.compile.support import ignores, supports
from dataplane.compile.ticket_keys import compile_ticket_keys
from dataplane.compile.tls_names import curves, signature_algorithms
from dataplane.compile.units import seconds, wrapped
from dataplane.compile.validation_context import check_validation, compile_validation
from dataplane.snapshot.secret import SecretReference, TlsCertificate, ValidationContext
from dataplane.snapshot.tls import CommonTls, DownstreamTls, StaplePolicy, TlsParameters, UpstreamTls

supports(
    CommonTlsContext,
    "tls_params",
    "tls_certificates",
    "tls_certificate_sds_secret_configs",
    "validation_context",
    "validation_context_sds_secret_config",
    "combined_validation_context",
    "alpn_protocols",
)
supports(
    CommonTlsContext.CombinedCertificateValidationContext, "default_validation_context", "validation_context_sds_secret_config"
)
supports(
    DownstreamTlsContext,
    "common_tls_context",
    "require_client_certificate",
    "prefer_client_ciphers",
    "session_ticket_keys",
    "session_ticket_keys_sds_secret_config",
    "disable_stateless_session_resumption",
    "disable_stateful_session_resumption",
    "session_timeout",
    "ocsp_staple_policy",
)
ignores(DownstreamTlsContext, "require_sni", because="Envoy does not implement it either")
ignores(
    DownstreamTlsContext,
    "full_scan_certs_on_sni_mismatch",
    because="among certificates that are not for the name the first of each key type is taken, which the scan ends with, too",
)
supports(UpstreamTlsContext, "common_tls_context", "sni", "auto_host_sni", "auto_sni_san_validation", "max_session_keys")
ignores(UpstreamTlsContext, "allow_renegotiation", because="TLS 1.3 has none, and no server of today asks for one")
ignores(UpstreamTlsContext, "enforce_rsa_key_usage", because="Envoy enforces it always, so does OpenSSL")
supports(
    ParametersMessage,
    "tls_minimum_protocol_version",
    "tls_maximum_protocol_version",
    "cipher_suites",
    "ecdh_curves",
    "signature_algorithms",
    "compliance_policies",
)
supports(SdsSecretConfig, "name", "sds_config")

_VERSIONS: Final = {
    ParametersMessage.TLSv1_0: "TLSv1",
    ParametersMessage.TLSv1_1: "TLSv1_1",
    ParametersMessage.TLSv1_2: "TLSv1_2",
    ParametersMessage.TLSv1_3: "TLSv1_3",
}
_LONGEST_ALPN: Final = 255


def compile_downstream_tls(message: DownstreamTlsContext, at: FieldPath, context: CompileContext) -> DownstreamTls:
    at_common = at / "common_tls_context"
    common = _common(message.common_tls_context, at_common, context, "TLSv1_3")
    if not common.certificates and not common.certificate_references:
        raise ConfigError(at_common, "No TLS certificates found for server context")
    if common.certificates and common.certificate_references:
        raise ConfigError(at_common, "SDS and non-SDS TLS certificates may not be mixed in server contexts")
    keys, keys_reference = _ticket_keys(message, at, context)
    return DownstreamTls(
        common,
        require_client_certificate=wrapped(message, "require_client_certificate", False),
        stateless_resumption=not message.disable_stateless_session_resumption,
        stateful_resumption=not message.disable_stateful_session_resumption,
        ticket_keys=keys,
        ticket_keys_reference=keys_reference,
        ticket_seed=context.ticket_seed,
        session_timeout=int(seconds(message.session_timeout, at / "session_timeout")),
        staple_policy=StaplePolicy(message.ocsp_staple_policy),
        prefer_client_ciphers=message.prefer_client_ciphers,
    )


def _ticket_keys(
    message: DownstreamTlsContext, at: FieldPath, context: CompileContext
) -> tuple[tuple[bytes, ...], SecretReference | None]:
    match message.WhichOneof("session_ticket_keys_type"):
        case "session_ticket_keys":
            return compile_ticket_keys(message.session_ticket_keys, at / "session_ticket_keys").keys, None
        case "session_ticket_keys_sds_secret_config":
            place = at / "session_ticket_keys_sds_secret_config"
            return (), _reference(message.session_ticket_keys_sds_secret_config, place, context)
    return (), None


def compile_upstream_tls(message: UpstreamTlsContext, at: FieldPath, context: CompileContext) -> UpstreamTls:
    if "\0" in message.sni:
        raise ConfigError(at / "sni", "SNI names containing NULL-byte are not allowed")
    at_common = at / "common_tls_context"
    common = _common(message.common_tls_context, at_common, context, "TLSv1_2")
    if len(common.certificates) + len(common.certificate_references) > 1:
        raise ConfigError(at_common / "tls_certificates", "Multiple TLS certificates are not supported for client contexts")
    if message.auto_sni_san_validation and common.validation is None and common.validation_reference is None:
        reason = "'auto_sni_san_validation' was configured without a validation context"
        raise ConfigError(at / "auto_sni_san_validation", reason)
    return UpstreamTls(
        common,
        sni=message.sni,
        auto_host_sni=message.auto_host_sni,
        auto_sni_san_validation=message.auto_sni_san_validation,
        max_session_keys=wrapped(message, "max_session_keys", 1),
    )


def _common(message: CommonTlsContext, at: FieldPath, context: CompileContext, highest: str) -> CommonTls:
    """Raises InvalidResource with the errors of all parts."""
    problems = Problems()
    certificates: list[TlsCertificate] = []
    references: list[SecretReference] = []
    parameters = TlsParameters("TLSv1_2", highest, DEFAULT_CIPHERS)
    validation: tuple[ValidationContext | None, SecretReference | None] = (None, None)
    for index, certificate in enumerate(message.tls_certificates):
        with problems.collect():
            certificates.append(compile_certificate(certificate, at / "tls_certificates" / index))
    for index, reference in enumerate(message.tls_certificate_sds_secret_configs):
        with problems.collect():
            references.append(_reference(reference, at / "tls_certificate_sds_secret_configs" / index, context))
    with problems.collect():
        validation = _validation(message, at, context)
    with problems.collect():
        parameters = _parameters(message.tls_params, at / "tls_params", highest)
    common = CommonTls(
        parameters, tuple(certificates), tuple(references), *validation, alpn=_alpn(message.alpn_protocols, at / "alpn_protocols")
    )
    problems.raise_if_any()
    return common


def _validation(
    message: CommonTlsContext, at: FieldPath, context: CompileContext
) -> tuple[ValidationContext | None, SecretReference | None]:
    match message.WhichOneof("validation_context_type"):
        case None:
            return None, None
        case "validation_context":
            validation = compile_validation(message.validation_context, at / "validation_context")
            check_validation(validation, at / "validation_context")
            return validation, None
        case "validation_context_sds_secret_config":
            at_secret = at / "validation_context_sds_secret_config"
            return None, _reference(message.validation_context_sds_secret_config, at_secret, context)
        case "combined_validation_context":
            at_combined = at / "combined_validation_context"
            combined = message.combined_validation_context
            at_secret = at_combined / "validation_context_sds_secret_config"
            reference = _reference(combined.validation_context_sds_secret_config, at_secret, context)
            # Its rules hold for what is merged: the authority usually comes with the secret.
            return compile_validation(combined.default_validation_context, at_combined / "default_validation_context"), reference
    raise ConfigError(at / str(message.WhichOneof("validation_context_type")), "is not supported by this version")


def _reference(message: SdsSecretConfig, at: FieldPath, context: CompileContext) -> SecretReference:
    source = compile_config_source(message.sds_config, at / "sds_config") if message.HasField("sds_config") else None
    reference = SecretReference(message.name, source)
    context.secret_references.add(reference)
    return reference


def _parameters(message: ParametersMessage, at: FieldPath, highest: str) -> TlsParameters:
    """A policy is applied last, as in Envoy, and leaves nothing of the rest, which has to be right all the same."""
    parameters = TlsParameters(
        minimum=_VERSIONS.get(message.tls_minimum_protocol_version, "TLSv1_2"),
        maximum=_VERSIONS.get(message.tls_maximum_protocol_version, highest),
        ciphers=cipher_list(message.cipher_suites, at / "cipher_suites") if message.cipher_suites else DEFAULT_CIPHERS,
        curves=curves(message.ecdh_curves, at / "ecdh_curves"),
        signature_algorithms=signature_algorithms(message.signature_algorithms, at / "signature_algorithms"),
    )
    return FIPS_202205 if message.compliance_policies else parameters


def _alpn(protocols: Iterable[str], at: FieldPath) -> tuple[str, ...]:
    """As Envoy: names may also stand in one string, separated by commas; empty ones count for nothing."""
    names = [name for entry in protocols for name in entry.split(",") if name]
    if any(len(name.encode()) > _LONGEST_ALPN for name in names):
        raise ConfigError(at, "Invalid ALPN protocol string")
    return tuple(names)
