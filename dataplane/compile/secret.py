"""Secret and what is inside it → snapshot.secret: certificates with their keys, validation contexts, generic secrets.

Here also: that a key is the key of its certificate.  Not here: TLS contexts (tls), where secrets come from (xds).
Texts are Envoy's, with the codes of its library where operators look for them.
Envoy: extensions.transport_sockets.tls.v3.{Secret, TlsCertificate, CertificateValidationContext, GenericSecret}.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import NameOID
from envoy.config.core.v3.base_pb2 import DataSource
from envoy.extensions.transport_sockets.tls.v3.common_pb2 import TlsCertificate as CertificateMessage
from envoy.extensions.transport_sockets.tls.v3.secret_pb2 import GenericSecret as GenericMessage
from envoy.extensions.transport_sockets.tls.v3.secret_pb2 import Secret as SecretMessage

from dataplane.base.errors import ConfigError, FieldPath
from dataplane.compile.context import CompileContext
from dataplane.compile.data_source import directories, read_data_source
from dataplane.compile.ocsp import compile_staple, must_staple
from dataplane.compile.support import supports
from dataplane.compile.ticket_keys import compile_ticket_keys
from dataplane.compile.validation_context import check_validation, compile_validation
from dataplane.snapshot.secret import GenericSecret, SecretValue, TlsCertificate

supports(SecretMessage, "name", "tls_certificate", "validation_context", "generic_secret", "session_ticket_keys")
supports(CertificateMessage, "certificate_chain", "private_key", "pkcs12", "password", "watched_directory")
supports(GenericMessage, "secret")

_INLINE: Final = "<inline>"
_MISMATCH: Final = "error:0b000074:X.509 certificate routines:OPENSSL_internal:KEY_VALUES_MISMATCH"
_NO_START: Final = "error:0900006e:PEM routines:OPENSSL_internal:NO_START_LINE"
_BAD_DECRYPT: Final = "error:1e000065:Cipher functions:OPENSSL_internal:BAD_DECRYPT"
_LEAST_RSA_BITS: Final = 2048
_CURVES: Final = (ec.SECP256R1, ec.SECP384R1, ec.SECP521R1)

_PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


def compile_secret(message: SecretMessage, at: FieldPath, context: CompileContext) -> SecretValue:
    """A secret by itself.  What only shows in combination with the context that names it is told when that is built."""
    match message.WhichOneof("type"):
        case "tls_certificate":
            return compile_certificate(message.tls_certificate, at / "tls_certificate")
        case "validation_context":
            validation = compile_validation(message.validation_context, at / "validation_context")
            if validation.has_authority:
                check_validation(validation, at / "validation_context")
            return validation
        case "generic_secret":
            return GenericSecret(read_data_source(message.generic_secret.secret, at / "generic_secret" / "secret"))
        case "session_ticket_keys":
            return compile_ticket_keys(message.session_ticket_keys, at / "session_ticket_keys")
    raise ConfigError(at, "a secret of no type")


def compile_certificate(message: CertificateMessage, at: FieldPath) -> TlsCertificate:
    if message.HasField("pkcs12"):
        return _from_pkcs12(message, at)
    chain = read_data_source(message.certificate_chain, at / "certificate_chain")
    key = read_data_source(message.private_key, at / "private_key")
    path, key_path = shown_path(message.certificate_chain), shown_path(message.private_key)
    if not chain:
        raise ConfigError(
            at / "certificate_chain", f"Failed to load incomplete certificate from {path}: certificate chain not set"
        )
    if not key:
        raise ConfigError(at / "private_key", f"Failed to load incomplete private key from path: {key_path}")
    password = read_data_source(message.password, at / "password") if message.HasField("password") else None
    leaf = _leaf(chain, path, at / "certificate_chain")
    pair = _pair(chain, leaf, _private_key(key, password, key_path, at / "private_key"), path, key_path, at)
    sources = (message.certificate_chain, message.private_key, message.ocsp_staple)
    return replace(pair, directories=directories(message.watched_directory, *sources), staple=compile_staple(message, leaf, at))


def _from_pkcs12(message: CertificateMessage, at: FieldPath) -> TlsCertificate:
    for other in ("certificate_chain", "private_key"):
        if message.HasField(other):
            raise ConfigError(at / "pkcs12", f"Certificate configuration can't have both pkcs12 and {other}")
    path = shown_path(message.pkcs12)
    data = read_data_source(message.pkcs12, at / "pkcs12")
    password = read_data_source(message.password, at / "password") if message.HasField("password") else None
    try:
        key, leaf, others = pkcs12.load_key_and_certificates(data, password)
    except ValueError as error:
        raise ConfigError(at / "pkcs12", f"Failed to load pkcs12 from {path}") from error
    if leaf is None or not isinstance(key, _PrivateKey):
        raise ConfigError(at / "pkcs12", f"Failed to load pkcs12 from {path}")
    chain = b"".join(each.public_bytes(serialization.Encoding.PEM) for each in (leaf, *others))
    found = directories(message.watched_directory, message.pkcs12, message.ocsp_staple)
    return replace(_pair(chain, leaf, key, path, path, at), directories=found, staple=compile_staple(message, leaf, at))


def _pair(chain: bytes, leaf: x509.Certificate, key: object, path: str, key_path: str, at: FieldPath) -> TlsCertificate:
    key_type = _check_public_key(leaf, path, at / "certificate_chain")
    if not isinstance(key, _PrivateKey) or key.public_key() != leaf.public_key():
        raise ConfigError(at / "private_key", f"Failed to load private key from {key_path}, Cause: {_MISMATCH}")
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return TlsCertificate(chain, pem, _dns_names(leaf), key_type, path, key_path, must_staple=must_staple(leaf))


def _leaf(chain: bytes, path: str, at: FieldPath) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificates(chain)[0]
    except ValueError as error:
        raise ConfigError(at, f"Failed to load certificate chain from {path}") from error


def _check_public_key(leaf: x509.Certificate, path: str, at: FieldPath) -> str:
    try:
        key = leaf.public_key()
    except ValueError as error:
        raise ConfigError(at, f"Failed to load certificate chain from {path}") from error
    if isinstance(key, rsa.RSAPublicKey):
        if key.key_size < _LEAST_RSA_BITS:
            reason = f"only RSA certificates with {_LEAST_RSA_BITS}-bit or larger keys are supported"
            raise ConfigError(at, f"Failed to load certificate chain from {path}, {reason}")
        return "RSA"
    if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, _CURVES):
        return "EC"
    raise ConfigError(at, f"Failed to load certificate chain from {path}")


def _private_key(pem: bytes, password: bytes | None, path: str, at: FieldPath) -> object:
    try:
        # A password for a key that is not encrypted is not used, as in Envoy.
        encrypted = b"ENCRYPTED" in pem
        return serialization.load_pem_private_key(pem, password if encrypted else None)
    except (ValueError, TypeError) as error:
        cause = _NO_START if b"-----BEGIN" not in pem else _BAD_DECRYPT if encrypted else str(error)
        raise ConfigError(at, f"Failed to load private key from {path}, Cause: {cause}") from error


def _dns_names(leaf: x509.Certificate) -> frozenset[str]:
    try:
        alternatives = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        names = alternatives.get_values_for_type(x509.DNSName)
    except (x509.ExtensionNotFound, ValueError):
        names = []
    if not names:
        names = [str(each.value) for each in leaf.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    return frozenset(name.lower() for name in names)


def shown_path(source: DataSource) -> str:
    """What Envoy calls a source in its texts: the file's name, or that there is none."""
    kind = source.WhichOneof("specifier")
    return source.filename if kind == "filename" else "" if kind is None else _INLINE
