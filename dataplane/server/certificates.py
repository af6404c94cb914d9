"""What `/certs` shows: the certificates of every TLS context that is in use, as they are now; and which of them ends first.

Here: walking the snapshot.  Not here: JSON (admin.handlers.certs), reading a certificate (extensions.transport_sockets.tls.certificate).
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from dataplane.admin.context import ShownCertificate, TlsContextFacts
from dataplane.extensions.transport_sockets.tls.certificate import Certificate
from dataplane.extensions.transport_sockets.tls.downstream import DownstreamTlsSocket
from dataplane.extensions.transport_sockets.tls.upstream import UpstreamTlsSocket
from dataplane.snapshot.introduced_socket import IntroducedSocket
from dataplane.snapshot.passing_socket import PassingSocket

if TYPE_CHECKING:
    from dataplane.snapshot.secret import TlsCertificate
    from dataplane.snapshot.snapshot import Snapshot


def tls_contexts(snapshot: Snapshot) -> Iterator[TlsContextFacts]:
    """One for each context whose secrets are there."""
    for socket in _sockets(snapshot):
        if not isinstance(socket, DownstreamTlsSocket | UpstreamTlsSocket):
            continue
        materials = socket.materials(snapshot.secrets)
        if materials is None:
            continue
        validation = materials.validation
        shown = () if validation is None else Certificate.all_from_pem(validation.authorities)
        path = "" if validation is None else validation.ca_path
        own = [ShownCertificate(each.path, Certificate.from_pem(each.chain), _validity(each)) for each in materials.certificates]
        yield TlsContextFacts([ShownCertificate(path, each) for each in shown], own)


class Expiry:
    """What ends first in a snapshot, found once for each that somebody asks about."""

    def __init__(self) -> None:
        self._of: Snapshot | None = None
        self._certificate: datetime | None = None
        self._staple: datetime | None = None

    def days_left(self, snapshot: Snapshot, now: datetime) -> int | None:
        """Whole days of the certificate that ends first, 0 once it has; None where there is none."""
        self._look(snapshot)
        return None if self._certificate is None else max(0, (self._certificate - now).days)

    def staple_seconds_left(self, snapshot: Snapshot, now: datetime) -> int:
        """Of the OCSP response that ends first; 0 where there is none, as well."""
        self._look(snapshot)
        return 0 if self._staple is None else max(0, int((self._staple - now).total_seconds()))

    def _look(self, snapshot: Snapshot) -> None:
        if snapshot is self._of:
            return
        self._of = snapshot
        all_shown = [each for context in tls_contexts(snapshot) for each in (*context.authorities, *context.certificates)]
        self._certificate = min((each.certificate.not_after for each in all_shown), default=None)
        self._staple = min((each.staple[1] for each in all_shown if each.staple is not None), default=None)


def _validity(certificate: TlsCertificate) -> tuple[datetime, datetime] | None:
    staple = certificate.staple
    if staple is None:
        return None
    return datetime.fromtimestamp(staple.since, UTC), datetime.fromtimestamp(staple.expires, UTC)


def _sockets(snapshot: Snapshot) -> Iterator[object]:
    for listener in snapshot.listeners.values():
        default = listener.default_filter_chain
        for chain in (*listener.filter_chains, *(() if default is None else (default,))):
            yield chain.transport_socket
    for cluster in snapshot.clusters.values():
        for socket in (cluster.transport_socket, *(match.transport_socket for match in cluster.transport_socket_matches)):
            yield socket.socket if isinstance(socket, IntroducedSocket | PassingSocket) else socket
