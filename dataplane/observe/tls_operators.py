"""The command operators that tell of TLS, of both sides.  Without TLS each gives nothing.

Not here: the other operators (operators), where the facts come from (tls_facts).
Envoy: configuration/advanced/substitution_formatter, `%DOWNSTREAM_TLS_VERSION%` and following.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from dataplane.base.errors import FieldPath
from dataplane.observe.timestamps import compile_time_format, iso_milliseconds

if TYPE_CHECKING:
    from dataplane.observe.stream_info import StreamInfo
    from dataplane.observe.tls_facts import CertificateFacts, TlsFacts

Fact = Callable[["StreamInfo"], "str | None"]
TimeFact = Callable[[str, FieldPath], Fact]

_OfTls = Callable[["TlsFacts"], str]
_OfCertificate = Callable[["CertificateFacts"], str]


def _session(side: str, read: _OfTls) -> Fact:
    def fact(info: StreamInfo) -> str | None:
        tls: TlsFacts | None = getattr(info, side)
        return None if tls is None else read(tls) or None

    return fact


def _certificate(side: str, whose: str, read: _OfCertificate) -> Fact:
    def fact(info: StreamInfo) -> str | None:
        tls: TlsFacts | None = getattr(info, side)
        certificate: CertificateFacts | None = None if tls is None else getattr(tls, whose)
        return None if certificate is None else read(certificate) or None

    return fact


def _session_id(tls: TlsFacts) -> str:
    return "" if tls.version == "TLSv1.3" else tls.session_id


def _joined(read: Callable[[CertificateFacts], tuple[str, ...]]) -> _OfCertificate:
    return lambda certificate: ",".join(_utf8(name) for name in read(certificate))


def _utf8(text: str) -> str:
    """One character per byte, as all values of operators."""
    return text if text.isascii() else text.encode().decode("latin-1")


_SESSION: Final[dict[str, _OfTls]] = {
    "TLS_VERSION": lambda tls: tls.version,
    "TLS_CIPHER": lambda tls: tls.cipher,
    "TLS_SESSION_ID": _session_id,
}
_NAMES: Final[dict[str, _OfCertificate]] = {
    "SUBJECT": lambda certificate: _utf8(certificate.subject),
    "URI_SAN": _joined(lambda certificate: certificate.uris),
    "DNS_SAN": _joined(lambda certificate: certificate.dns_names),
    "IP_SAN": _joined(lambda certificate: certificate.ip_addresses),
    "EMAIL_SAN": _joined(lambda certificate: certificate.emails),
}
_PEER: Final[dict[str, _OfCertificate]] = {
    **_NAMES,
    "ISSUER": lambda certificate: _utf8(certificate.issuer),
    "CERT": lambda certificate: quote(certificate.pem.decode("ascii"), safe=""),
    "SERIAL": lambda certificate: certificate.serial,
    "FINGERPRINT_256": lambda certificate: certificate.fingerprint_256,
    "FINGERPRINT_1": lambda certificate: certificate.fingerprint_1,
}
_SIDES: Final = {"DOWNSTREAM": "downstream_tls", "UPSTREAM": "upstream_tls"}


def _facts() -> dict[str, Fact]:
    facts: dict[str, Fact] = {"UPSTREAM_SERVER_NAME": _session("upstream_tls", lambda tls: tls.server_name)}
    for prefix, side in _SIDES.items():
        facts |= {f"{prefix}_{name}": _session(side, read) for name, read in _SESSION.items()}
        facts |= {f"{prefix}_PEER_{name}": _certificate(side, "peer_certificate", read) for name, read in _PEER.items()}
        facts |= {f"{prefix}_LOCAL_{name}": _certificate(side, "local_certificate", read) for name, read in _NAMES.items()}
    return facts


FACTS: Final = _facts()
"""Operators without an argument."""


def _moment(side: str, read: Callable[[CertificateFacts], float]) -> TimeFact:
    def build(argument: str, at: FieldPath) -> Fact:
        render = compile_time_format(argument, local=False) if argument else iso_milliseconds
        return _certificate(side, "peer_certificate", lambda certificate: render(read(certificate)))

    return build


TIMES: Final[dict[str, TimeFact]] = {
    f"{prefix}_PEER_CERT_V_{name}": _moment(side, read)
    for prefix, side in _SIDES.items()
    for name, read in (
        ("START", lambda certificate: certificate.not_before.timestamp()),
        ("END", lambda certificate: certificate.not_after.timestamp()),
    )
}
"""Operators whose argument is a time format."""
