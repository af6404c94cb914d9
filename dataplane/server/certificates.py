"""What `/certs` shows: the certificates of every TLS context that is in use, as they are now.

Here: walking the snapshot.  Not here: JSON (admin.handlers.certs), reading a certificate (extensions.transport_sockets.tls.certificate).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from dataplane.admin.context import TlsContextFacts
from dataplane.extensions.transport_sockets.tls.certificate import Certificate
from dataplane.extensions.transport_sockets.tls.downstream import DownstreamTlsSocket
from dataplane.extensions.transport_sockets.tls.upstream import UpstreamTlsSocket
from dataplane.snapshot.introduced_socket import IntroducedSocket
from dataplane.snapshot.passing_socket import PassingSocket

if TYPE_CHECKING:
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
        yield TlsContextFacts(
            [(path, each) for each in shown], [(each.path, Certificate.from_pem(each.chain)) for each in materials.certificates]
        )


def _sockets(snapshot: Snapshot) -> Iterator[object]:
    for listener in snapshot.listeners.values():
        default = listener.default_filter_chain
        for chain in (*listener.filter_chains, *(() if default is None else (default,))):
            yield chain.transport_socket
    for cluster in snapshot.clusters.values():
        for socket in (cluster.transport_socket, *(match.transport_socket for match in cluster.transport_socket_matches)):
            yield socket.socket if isinstance(socket, IntroducedSocket | PassingSocket) else socket
