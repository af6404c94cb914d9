"""SPIFFECertValidatorConfig → the authorities of each trust domain.

Not here: the format of a bundle map (spiffe_bundle_map), whether a certificate is of a domain
(extensions.transport_sockets.tls.trust_domains), reading a file again (extensions.transport_sockets.tls.live_contexts).
Envoy: extensions.transport_sockets.tls.v3.SPIFFECertValidatorConfig.
"""

from __future__ import annotations

from dataclasses import dataclass

from cryptography import x509
from envoy.extensions.transport_sockets.tls.v3.tls_spiffe_validator_config_pb2 import SPIFFECertValidatorConfig

from dataplane.base.errors import ConfigError, FieldPath
from dataplane.compile.data_source import read_data_source
from dataplane.compile.spiffe_bundle_map import Authorities, authorities_of
from dataplane.compile.support import supports

supports(SPIFFECertValidatorConfig, "trust_domains", "trust_bundles")
supports(SPIFFECertValidatorConfig.TrustDomain, "name", "trust_bundle")


@dataclass(frozen=True, slots=True)
class TrustBundles:
    """domains: name and PEM of each.  shown_path: what `/certs` says.  followed: a file with a bundle map, "" for none."""

    domains: Authorities
    shown_path: str = ""
    followed: str = ""


def compile_trust_domains(config: SPIFFECertValidatorConfig, at: FieldPath) -> TrustBundles:
    """A bundle map goes before single domains, as in Envoy."""
    if config.HasField("trust_bundles"):
        text = read_data_source(config.trust_bundles, at / "trust_bundles", watches=True)
        if not text:
            raise ConfigError(at / "trust_bundles", "DataSource cannot be empty")
        return TrustBundles(authorities_of(text, at / "trust_bundles"), followed=config.trust_bundles.filename)
    return _single_domains(config, at)


def _single_domains(config: SPIFFECertValidatorConfig, at: FieldPath) -> TrustBundles:
    found: dict[str, bytes] = {}
    shown_path = ""
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
        shown_path = f"{domain.name}: {domain.trust_bundle.filename or '<inline>'}"  # Envoy has the last one for all
    if not found:
        raise ConfigError(at, "SPIFFE: at least one trust domain is required")
    return TrustBundles(tuple(found.items()), shown_path)
