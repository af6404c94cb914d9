"""Maglev: a table in which every host has its share of entries; the hash of a request is an index into it.

Not here: who gets which entry (maglev_entries).  Envoy: MaglevLoadBalancer.  The table has to be Envoy's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Generic

from xxhash import xxh64_intdigest

from dataplane.balancing.hashing import Weighted, host_key
from dataplane.balancing.hosts import HostT
from dataplane.balancing.maglev_entries import assign_entries

DEFAULT_TABLE_SIZE: Final = 65537
_MASK: Final = (1 << 64) - 1


@dataclass(frozen=True, slots=True)
class Maglev:
    """`MaglevLbConfig`.  table_size: a prime."""

    table_size: int = DEFAULT_TABLE_SIZE
    use_hostname: bool = False


class MaglevTable(Generic[HostT]):
    """A table (balancing.hashing.Table) over hosts with their shares.  entries_per_host: the fewest and the most."""

    __slots__ = ("__weakref__", "_entries", "_hosts", "entries_per_host")

    def __init__(self, weighted: Weighted[HostT], config: Maglev) -> None:
        size = config.table_size
        keyed = sorted(((host_key(host, config.use_hostname), host, share) for host, share in weighted), key=lambda each: each[0])
        firsts = [xxh64_intdigest(key) % size for key, _, _ in keyed]
        skips = [xxh64_intdigest(key, 1) % (size - 1) + 1 for key, _, _ in keyed]
        self._hosts = [host for _, host, _ in keyed]
        self._entries, counts = assign_entries(firsts, skips, [share for _, _, share in keyed], size)
        self.entries_per_host = min(counts), max(counts)

    def pick(self, hash_key: int, attempt: int) -> HostT:
        if attempt:
            hash_key ^= _MASK - attempt + 1
        return self._hosts[self._entries[hash_key % len(self._entries)]]
