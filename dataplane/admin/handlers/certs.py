"""`/certs`: the certificates in use, without their keys.  Envoy: admin.v3.Certificates."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING

from aiohttp import web

from dataplane.admin import reply
from dataplane.admin.context import AdminContext

if TYPE_CHECKING:
    from dataplane.admin.context import ShownCertificate


def certs(context: AdminContext, request: web.Request) -> web.Response:
    now = datetime.datetime.now(datetime.UTC)
    shown = []
    for each in context.tls_contexts():
        sides = {"ca_cert": each.authorities, "cert_chain": each.certificates}
        shown.append({field: [details(each, now) for each in certificates] for field, certificates in sides.items()})
    return reply.as_json({"certificates": shown})


def details(shown: ShownCertificate, now: datetime.datetime) -> dict[str, object]:
    """admin.v3.CertificateDetails."""
    certificate = shown.certificate
    kinds = (("dns", certificate.dns_names), ("uri", certificate.uris), ("ip_address", certificate.ip_addresses))
    found: dict[str, object] = {
        "path": shown.path,
        "serial_number": certificate.serial,
        "subject_alt_names": [{kind: name} for kind, names in kinds for name in names],
        "days_until_expiration": str(max(0, (certificate.not_after - now).days)),
        "valid_from": _timestamp(certificate.not_before),
        "expiration_time": _timestamp(certificate.not_after),
    }
    if shown.staple is not None:
        since, until = shown.staple
        found["ocsp_details"] = {"valid_from": _timestamp(since), "expiration": _timestamp(until)}
    return found


def _timestamp(moment: datetime.datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
