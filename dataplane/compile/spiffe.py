"""SPIFFECertValidatorConfig → the authorities of each trust domain.

Not here: whether a certificate is of one of them (extensions.transport_sockets.tls.trust_domains).
Envoy: extensions.transport_sockets.tls.v3.SPIFFECertValidatorConfig.
"""

from __future__ import annotations

from cryptography import x509
from envoy.extensions.transport_sockets.tls.v3.tls_spiffe_validator_config_pb2 import SPIFFECertValidatorConfig

from dataplane.base.errors import ConfigError, FieldPath
from dataplane.compile.data_source import read_data_source
from dataplane.compile.support import supports

supports(SPIFFECertValidatorConfig, "trust_domains")
supports(SPIFFECertValidatorConfig.TrustDomain, "name", "trust_bundle")


def compile_trust_domains(config: SPIFFECertValidatorConfig, at: FieldPath) -> tuple[tuple[str, bytes], ...]:
    """Name and PEM of each."""
    found: dict[str, bytes] = {}
    for index, domain in enumerate(config.trust_domains):
        place = at / "trust_domains" / index
        if domain.name in found:
            raise ConfigError(place / "name", f"Multiple trust bundles are given for one trust domain for {domain.name}")
        pem = read_data_source(domain.trust_bundle, place / "trust_bundle")
        try:
            x509.load_pem_x509_certificates(pem)
        except ValueError as error:
            raise ConfigError(place / "trust_bundle", f"Failed to load trusted CA certificate for {domain.name}") from error
        found[domain.name] = pem
    if not found:
        raise ConfigError(at, "SPIFFE: at least one trust domain is required")
    return tuple(found.items())
