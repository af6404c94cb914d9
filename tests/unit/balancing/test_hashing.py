"""Hash functions, rings and tables, and the host that a hash gets."""

from __future__ import annotations

from collections import Counter as Count
from collections.abc import Iterable
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st
from xxhash import xxh64_intdigest

from dataplane.balancing.balancer import BalancerSettings
from dataplane.balancing.hashing import KeptTables, Table, Weighted, build_hashed, host_key, murmur_hash_2
from dataplane.balancing.hosts import Host, HostSet, LocalityHosts, host_set
from dataplane.balancing.maglev import Maglev, MaglevTable
from dataplane.balancing.policies import Picker
from dataplane.balancing.ring_hash import Ring, RingHash
from dataplane.base.address import SocketAddress
from dataplane.observe.stats import Counter

KEYS = tuple(xxh64_intdigest(b"%d" % number) for number in range(400))


@dataclass
class Request:
    """A request with a hash that does not want some hosts."""

    key: int | None
    unwanted: tuple[object, ...] = ()
    attempts: int = 0

    def hash_key(self) -> int | None:
        return self.key

    def excluded(self, host: object) -> bool:
        return host in self.unwanted

    def selection_attempts(self) -> int:
        return self.attempts


def host(name: str, weight: int = 1, flags: int = 0) -> Host:
    made = Host(SocketAddress("10.0.0.1", ord(name[0])), name, weight, flags)
    made.metadata = {"envoy.lb": {"hash_key": f"host-{name}"}}
    return made


def one_locality(*hosts: Host) -> HostSet[Host]:
    return host_set([LocalityHosts(hosts)])


# Values of std::hash<std::string> in GNU's library.
@pytest.mark.parametrize(
    ("text", "expected"),
    [(b"", 6142509188972423790), (b"a", 4993892634952068459), (b"abcdefgh", 8664279048047335611)],
)
def test_murmur(text: bytes, expected: int) -> None:
    assert murmur_hash_2(text) == expected


@pytest.mark.parametrize(
    ("metadata", "use_hostname", "expected"),
    [
        ({}, False, b"10.0.0.1:97"),
        ({}, True, b"a"),
        ({"envoy.lb": {"hash_key": "k"}}, True, b"k"),
        ({"envoy.lb": {"hash_key": 5}}, False, b"10.0.0.1:97"),
    ],
)
def test_what_a_host_is_hashed_by(metadata: dict[str, object], use_hostname: bool, expected: bytes) -> None:
    made = host("a")
    made.metadata = metadata
    assert host_key(made, use_hostname) == expected


def test_a_ring_gives_every_host_its_share() -> None:
    one, two, three = host("a"), host("b"), host("c", 2)
    ring = Ring([(one, 0.25), (two, 0.25), (three, 0.5)], RingHash())
    assert ring.size == 1024
    assert ring.places_per_host == (256, 512)


def test_a_ring_is_a_ring() -> None:
    ring = Ring([(host("a"), 0.5), (host("b"), 0.5)], RingHash(minimum_ring_size=4))
    assert ring.pick((1 << 64) - 1, 0) is ring.pick(0, 0)
    assert ring.pick(5, ring.size) is ring.pick(5, 0)


def test_a_ring_has_no_more_places_than_its_maximum() -> None:
    assert Ring([(host("a"), 0.1), (host("b"), 0.9)], RingHash(1024, 20)).size == 20


def test_a_maglev_table_gives_every_host_its_share() -> None:
    table = MaglevTable([(host("a"), 0.25), (host("b"), 0.75)], Maglev(101))
    least, most = table.entries_per_host
    assert (least + most, round(most / least)) == (101, 3)


@given(st.permutations("abcdef"), st.integers(0, (1 << 64) - 1))
def test_a_maglev_table_does_not_depend_on_the_order_of_hosts(names: list[str], hash_key: int) -> None:
    hosts = {name: host(name) for name in "abcdef"}
    in_order = MaglevTable([(each, 1 / 6) for each in hosts.values()], Maglev(13))
    shuffled = MaglevTable([(hosts[name], 1 / 6) for name in names], Maglev(13))
    assert in_order.pick(hash_key, 0) is shuffled.pick(hash_key, 0)


@given(st.lists(st.integers(0, (1 << 64) - 1), min_size=1))
def test_removing_a_host_moves_only_its_own_requests(keys: list[int]) -> None:
    hosts = [host(name) for name in "abcd"]
    before = Ring([(each, 1 / 4) for each in hosts], RingHash(64, 64))
    after = Ring([(each, 1 / 3) for each in hosts[1:]], RingHash(48, 48))
    for key in keys:
        was = before.pick(key, 0)
        if was is not hosts[0]:
            assert after.pick(key, 0) is was


def build(*sets: HostSet[Host], panics: Counter | None = None, chance: float = 0.0, **settings: bool) -> Picker[Host]:
    def make(weighted: Weighted[Host]) -> Table[Host]:
        return Ring(weighted, RingHash(64))

    return build_hashed(sets, make, BalancerSettings(**settings), lambda: chance, panics or Counter("p"))


def picked(pick: Picker[Host], keys: Iterable[int] = KEYS) -> Count[str]:
    return Count(found.hostname if (found := pick(Request(key))) is not None else "" for key in keys)


def test_requests_without_a_hash_go_anywhere() -> None:
    sets = one_locality(*(host(name) for name in "ab"))
    by_chance = Count(found for step in range(100) if (found := build(sets, chance=step / 100)(None)) is not None)
    assert len(by_chance) == 2
    assert build(sets, chance=0.3)(Request(None)) is build(sets, chance=0.3)(None)


def test_unhealthy_hosts_are_not_on_the_ring_unless_in_panic() -> None:
    assert picked(build(one_locality(host("a"), host("b"), host("c", flags=1)))).keys() == {"a", "b"}
    panics = Counter("panics")
    assert picked(build(one_locality(host("a"), host("b", flags=1), host("c", flags=1)), panics=panics)).keys() == {"a", "b", "c"}
    assert panics.value == 400
    assert picked(build(one_locality(host("a", flags=1)), fail_traffic_on_panic=True)).keys() == {""}
    assert picked(build(one_locality())).keys() == {""}


def test_priorities_are_chosen_by_the_hash_too() -> None:
    pick = build(one_locality(host("a"), host("b", flags=1)), one_locality(host("c")))
    assert picked(pick, range(100)) == {"a": 70, "c": 30}


def test_localities_have_their_shares() -> None:
    localities = [LocalityHosts((host("a"), host("b")), 1), LocalityHosts((host("c"),), 3), LocalityHosts((host("d"),), 0)]
    counts = picked(build(host_set(localities), locality_weighted=True))
    assert counts.keys() == {"a", "b", "c"}
    assert counts["c"] > 1.5 * (counts["a"] + counts["b"])


def test_a_retry_goes_on_along_the_ring() -> None:
    hosts = [host(name) for name in "abc"]
    pick = build(one_locality(*hosts))
    first = pick(Request(77))
    other = pick(Request(77, (first,), 20))
    assert other is not first
    assert pick(Request(77, (first,), 0)) is first
    assert pick(Request(77, tuple(hosts), 3)) in hosts


def test_a_table_is_made_anew_only_for_other_hosts_shares_or_keys() -> None:
    made: list[object] = []
    kept: KeptTables[Host] = KeptTables()

    def table(weighted: Weighted[Host], size: int = 13) -> Table[Host]:
        def make(weighted: Weighted[Host]) -> Table[Host]:
            made.append(weighted)
            return MaglevTable(weighted, Maglev(size))

        return kept.table(weighted, Maglev(size), make)

    one, two = host("a"), host("b")
    first = table([(one, 0.5), (two, 0.5)])
    assert table([(one, 0.5), (two, 0.5)]) is first
    others = [
        table([(one, 0.25), (two, 0.75)]),
        table([(one, 0.5), (host("b"), 0.5)]),
        table([(one, 0.5), (two, 0.5)], 17),
    ]
    two.metadata = {}
    others.append(table([(one, 0.5), (two, 0.5)]))
    assert len({id(each) for each in (first, *others)}) == len(made) == 5


def test_a_table_that_no_picker_has_is_not_kept() -> None:
    kept: KeptTables[Host] = KeptTables()
    weighted = [(host("a"), 1.0)]
    made = [0]

    def make(weighted: Weighted[Host]) -> Table[Host]:
        made[0] += 1
        return Ring(weighted, RingHash(4))

    for _ in range(2):
        kept.table(weighted, RingHash(4), make)
    assert made == [2]
