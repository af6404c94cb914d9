"""What the consistent hashing policies share: hash functions, weights, and the choice of a priority by hash.

Here: everything but the tables.  Not here: those (ring_hash, maglev), the hash of a request (routing.hash_policy).
Envoy: ThreadAwareLoadBalancerBase, HashUtil, MurmurHash.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Final, Generic, Protocol, TypeVar, cast
from weakref import WeakValueDictionary

from dataplane.balancing.balancer import BalancerSettings, pick_nothing
from dataplane.balancing.hosts import Host, HostSet, HostT
from dataplane.balancing.policies import Chance, Picker
from dataplane.balancing.priority import PriorityLoad, choose, spread

if TYPE_CHECKING:
    from dataplane.observe.stats import Counter

_MASK: Final = (1 << 64) - 1
_MURMUR_SEED: Final = 0xC70F6907  # that of std::hash in GNU's library
_MURMUR_FACTOR: Final = 0xC6A4A7935BD1E995

TableT = TypeVar("TableT", bound=Host, covariant=True)


class Table(Protocol[TableT]):
    """Chooses by hash.  attempt: from 0; the next ones are for requests that did not want the host before."""

    def pick(self, hash_key: int, attempt: int) -> TableT: ...


Weighted = Sequence[tuple[HostT, float]]
"""Hosts with their shares, which add up to 1."""

TableMaker = Callable[[Weighted[HostT]], Table[HostT]]


class KeptTables(Generic[HostT]):
    """Makes a table once for the same hosts with the same shares, as long as a picker has it: it may take long."""

    __slots__ = ("_tables",)

    def __init__(self) -> None:
        self._tables: WeakValueDictionary[object, Table[HostT]] = WeakValueDictionary()

    def table(self, weighted: Weighted[HostT], config: HashConfig, make: TableMaker[HostT]) -> Table[HostT]:
        """A host counts as the same while it is hashed by the same key."""
        made_of = (config, tuple((host, host_key(host, config.use_hostname), share) for host, share in weighted))
        table = self._tables.get(made_of)
        if table is None:
            table = self._tables[made_of] = make(weighted)
        return table


class HashConfig(Hashable, Protocol):
    """What both kinds of tables have in common."""

    @property
    def use_hostname(self) -> bool: ...


class HashContext(Protocol):
    """What these policies ask about a request."""

    def hash_key(self) -> int | None: ...

    def excluded(self, host: object) -> bool: ...

    def selection_attempts(self) -> int: ...


class _Hashed(Generic[HostT]):
    """First a priority by its load, then a host of its table, both by the hash of the request; without one by chance."""

    __slots__ = ("_chance", "_load", "_panics", "_tables")

    def __init__(self, load: PriorityLoad, tables: Sequence[Table[HostT] | None], chance: Chance, panics: Counter) -> None:
        self._load = load
        self._tables = tables
        self._chance = chance
        self._panics = panics

    def pick(self, context: object) -> HostT | None:
        request = cast("HashContext | None", context)
        hash_key = None if request is None else request.hash_key()
        if hash_key is None:
            hash_key = int(self._chance() * (1 << 64))
        priority, _ = choose(self._load, (hash_key % 100 + 0.5) / 100)
        if self._load.panic[priority]:
            self._panics.value += 1
        table = self._tables[priority]
        if table is None:
            return None
        host = table.pick(hash_key, 0)
        if request is not None:
            for attempt in range(1, request.selection_attempts() + 1):
                if not request.excluded(host):
                    break
                host = table.pick(hash_key, attempt)
        return host


def build_hashed(
    sets: Sequence[HostSet[HostT]], make: TableMaker[HostT], settings: BalancerSettings, chance: Chance, panics: Counter
) -> Picker[HostT]:
    """The picker over *sets*, one per priority, each with a table of its own.  panics: counts choices that ignored health."""
    if not any(hosts.hosts for hosts in sets):
        return pick_nothing
    load = spread(sets, settings.panic_threshold)
    tables: list[Table[HostT] | None] = []
    for hosts, panic in zip(sets, load.panic, strict=True):
        eligible = () if panic and settings.fail_traffic_on_panic else hosts.hosts if panic else hosts.healthy
        weighted = _by_locality(hosts, frozenset(eligible)) if settings.locality_weighted else _shares(eligible, 1.0)
        tables.append(make(weighted) if weighted else None)
    return _Hashed(load, tables, chance, panics).pick


def _by_locality(hosts: HostSet[HostT], eligible: frozenset[HostT]) -> list[tuple[HostT, float]]:
    """Each locality has its share, whatever the health of its hosts; one without weight has none."""
    total = sum(locality.weight for locality in hosts.localities)
    return [
        entry
        for locality in hosts.localities
        if locality.weight
        for entry in _shares([host for host in locality.hosts if host in eligible], locality.weight / total)
    ]


def _shares(hosts: Sequence[HostT], share: float) -> list[tuple[HostT, float]]:
    total = sum(host.weight for host in hosts)
    return [(host, host.weight * share / total) for host in hosts]


def host_key(host: Host, use_hostname: bool) -> bytes:
    """What a host is hashed by: `hash_key` in its metadata, else its name or address."""
    found = host.metadata.get("envoy.lb")
    given = found.get("hash_key") if isinstance(found, Mapping) else None
    if isinstance(given, str):
        return given.encode()
    return (host.hostname if use_hostname else host.address.text).encode()


def murmur_hash_2(data: bytes) -> int:
    """MurmurHash2 of 64 bits as GNU's std::hash has it."""
    result = _MURMUR_SEED ^ (len(data) * _MURMUR_FACTOR & _MASK)
    whole = len(data) & ~7
    for start in range(0, whole, 8):
        word = int.from_bytes(data[start : start + 8], "little")
        result = (result ^ _shift_mix(word * _MURMUR_FACTOR & _MASK) * _MURMUR_FACTOR & _MASK) * _MURMUR_FACTOR & _MASK
    if whole != len(data):
        result = (result ^ int.from_bytes(data[whole:], "little")) * _MURMUR_FACTOR & _MASK
    return _shift_mix(_shift_mix(result) * _MURMUR_FACTOR & _MASK)


def _shift_mix(value: int) -> int:
    return value ^ (value >> 47)
