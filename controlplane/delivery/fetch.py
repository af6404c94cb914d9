"""One question, one answer: the unary fetch methods, without I/O.

Here: a DiscoveryResponse for a client that keeps no stream.  Not here: streams (stream), REST.
"""

from __future__ import annotations

from controlplane.delivery.cache import Cache
from controlplane.delivery.snapshot import TypeView
from controlplane.delivery.sotw import SotwRequest
from controlplane.delivery.subscription import Subscription


def fetch(view: TypeView, request: SotwRequest, cache: Cache) -> bytes:
    """Everything the request asks for, whatever version the client has."""
    subscription = Subscription(view.type_url)
    subscription.replace(request.names)
    chosen = view if subscription.wildcard else cache.select(view, subscription.names)
    return cache.sotw(chosen, chosen.version)
