"""Maglev: a table in which every host has its share of entries; the hash of a request is an index into it.

Envoy: MaglevLoadBalancer; "Maglev: A Fast and Reliable Software Network Load Balancer", section 3.4.  The table has to be Envoy's.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Final, Generic

from xxhash import xxh64_intdigest

from dataplane.balancing.hashing import Weighted, host_key
from dataplane.balancing.hosts import HostT

DEFAULT_TABLE_SIZE: Final = 65537
_MASK: Final = (1 << 64) - 1


@dataclass(frozen=True, slots=True)
class Maglev:
    """`MaglevLbConfig`.  table_size: a prime."""

    table_size: int = DEFAULT_TABLE_SIZE
    use_hostname: bool = False


class MaglevTable(Generic[HostT]):
    """A table (balancing.hashing.Table) over hosts with their shares."""

    __slots__ = ("_hosts",)

    def __init__(self, weighted: Weighted[HostT], config: Maglev) -> None:
        keyed = sorted(((host_key(host, config.use_hostname), host, share) for host, share in weighted), key=lambda each: each[0])
        self._hosts = [keyed[number][1] for number in _fill([(key, share) for key, _, share in keyed], config.table_size)]

    def pick(self, hash_key: int, attempt: int) -> HostT:
        if attempt:
            hash_key ^= _MASK - attempt + 1
        return self._hosts[hash_key % len(self._hosts)]

    def entries_per_host(self) -> tuple[int, int]:
        """The fewest and the most."""
        counts = Counter(map(id, self._hosts)).values()
        return min(counts), max(counts)


def _fill(keyed: list[tuple[bytes, float]], size: int) -> list[int]:
    """The number of its host for each entry.

    Hosts take turns at taking the next entry of their own permutation that is free; one with a smaller share misses turns.
    """
    next_entry = [xxh64_intdigest(key) % size for key, _ in keyed]
    skips = [xxh64_intdigest(key, 1) % (size - 1) + 1 for key, _ in keyed]
    most = max(share for _, share in keyed)
    targets = [0.0] * len(keyed)
    table = [-1] * size
    left, turn = size, 0
    while left:
        turn += 1
        for number, (_, share) in enumerate(keyed):
            if turn * share < targets[number]:
                continue
            targets[number] += most
            entry, skip = next_entry[number], skips[number]
            while table[entry] >= 0:
                entry += skip
                if entry >= size:
                    entry -= size
            table[entry] = number
            next_entry[number] = entry
            left -= 1
            if not left:
                break
    return table
