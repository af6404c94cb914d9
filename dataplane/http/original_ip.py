"""Asking the configured detectors, in their order, who sends a request.

Not here: what one of them reads (extensions.http.original_ip_detection), what is made of the answer (http.request_headers).
Envoy: ConnectionManagerUtility::mutateRequestHeaders, HttpConnectionManager.original_ip_detection_extensions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from dataplane.api.original_ip import Detection
from dataplane.semantics import forwarded

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dataplane.api.original_ip import IpDetector
    from dataplane.http.peer import Peer
    from dataplane.semantics.header_map import RequestHeaders

_NOTHING: Final = Detection(None)


def detect(detectors: Sequence[IpDetector], headers: RequestHeaders, peer: Peer) -> Detection:
    """The first that finds somebody, or turns the request away, ends it.

    As in Envoy, the peer is added to x-forwarded-for between two of them, so that the next one sees it there.
    """
    for each in detectors:
        found = each.detect(headers, peer.address)
        if found.append and peer.forwarded_for:
            forwarded.append(headers, forwarded.FORWARDED_FOR, peer.forwarded_for, b",")
        if found.address is not None or found.reject_with:
            return found
    return _NOTHING
