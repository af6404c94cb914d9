"""TlsCertificate.ocsp_staple → snapshot.secret.Staple: what an authority says of a certificate, to be shown with it.

Here: that it can be read and is about the certificate.  Not here: whom it is shown to (extensions.transport_sockets.tls.stapling).
Spec: RFC 6960, RFC 7633 (must-staple).  Envoy: extensions/transport_sockets/tls/ocsp/ocsp.cc.
"""

from __future__ import annotations

from cryptography import x509
from cryptography.x509 import ocsp
from envoy.extensions.transport_sockets.tls.v3.common_pb2 import TlsCertificate

from dataplane.base.errors import ConfigError, FieldPath
from dataplane.compile.data_source import read_data_source
from dataplane.compile.support import supports
from dataplane.snapshot.secret import Staple

supports(TlsCertificate, "ocsp_staple")


def compile_staple(message: TlsCertificate, leaf: x509.Certificate, at: FieldPath) -> Staple | None:
    """None where there is none, as well as where it is empty."""
    der = read_data_source(message.ocsp_staple, at / "ocsp_staple")
    if not der:
        return None
    try:
        response = ocsp.load_der_ocsp_response(der)
        if response.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
            raise ConfigError(at / "ocsp_staple", "OCSP response was unsuccessful")
        single = list(response.responses)
    except ValueError as error:
        raise ConfigError(at / "ocsp_staple", f"is no OCSP response: {error}") from error
    if len(single) != 1:
        raise ConfigError(at / "ocsp_staple", "OCSP Response must be for one certificate only")
    if single[0].serial_number != leaf.serial_number:
        raise ConfigError(at / "ocsp_staple", "OCSP response does not match its TLS certificate")
    expires = single[0].next_update_utc
    # One that does not say how long it holds has expired already, as in Envoy.
    return Staple(der, single[0].this_update_utc.timestamp(), 0.0 if expires is None else expires.timestamp())


def must_staple(leaf: x509.Certificate) -> bool:
    """Whether the certificate itself asks to be shown with a response."""
    try:
        features = leaf.extensions.get_extension_for_class(x509.TLSFeature).value
    except (x509.ExtensionNotFound, ValueError):
        return False
    return x509.TLSFeatureType.status_request in features
