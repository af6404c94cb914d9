"""Ring hash: every host stands on a ring at many places; a request goes to the first host at or behind its hash.

Envoy: RingHashLoadBalancer; Cluster.RingHashLbConfig.  The ring has to be Envoy's, place by place: proxies of both kinds share caches.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from operator import itemgetter
from typing import Generic

from xxhash import xxh64_intdigest

from dataplane.balancing.hashing import Weighted, host_key, murmur_hash_2
from dataplane.balancing.hosts import HostT


@dataclass(frozen=True, slots=True)
class RingHash:
    """`RingHashLbConfig`.  murmur: MURMUR_HASH_2 instead of XX_HASH."""

    minimum_ring_size: int = 1024
    maximum_ring_size: int = 8 << 20
    murmur: bool = False
    use_hostname: bool = False


class Ring(Generic[HostT]):
    """A table (balancing.hashing.Table) over hosts with their shares.  places_per_host: the fewest and the most."""

    __slots__ = ("__weakref__", "_hosts", "_places", "places_per_host")

    def __init__(self, weighted: Weighted[HostT], config: RingHash) -> None:
        hash_of: Callable[[bytes], int] = murmur_hash_2 if config.murmur else xxh64_intdigest
        least = min(share for _, share in weighted)
        # So that the host with the smallest share gets a whole number of places.
        scale = min(math.ceil(least * config.minimum_ring_size) / least, float(config.maximum_ring_size))
        ring: list[tuple[int, HostT]] = []
        target = 0.0
        for host, share in weighted:
            key = host_key(host, config.use_hostname)
            target += scale * share
            number = 0
            while len(ring) < target:
                ring.append((hash_of(b"%b_%d" % (key, number)), host))
                number += 1
        ring.sort(key=itemgetter(0))
        self._places = [place for place, _ in ring]
        self._hosts = [host for _, host in ring]
        counts = Counter(map(id, self._hosts)).values()
        self.places_per_host = min(counts), max(counts)

    def pick(self, hash_key: int, attempt: int) -> HostT:
        size = len(self._hosts)
        place = bisect_left(self._places, hash_key)
        return self._hosts[((0 if place == size else place) + attempt) % size]

    @property
    def size(self) -> int:
        return len(self._hosts)
