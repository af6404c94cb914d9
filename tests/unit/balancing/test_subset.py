"""Which subset a request gets, and what happens where there is none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from dataplane.balancing.hosts import Host, HostSet, LocalityHosts, host_set
from dataplane.balancing.policies import Picker
from dataplane.balancing.subset import SubsetConfig, Subsets, SubsetSelector, SubsetStats
from dataplane.base.address import SocketAddress
from dataplane.matching.criteria import Criteria, criteria_of
from dataplane.observe.stats import StatsStore

BY_V = SubsetSelector(frozenset({"v"}))
BY_V_AND_STAGE = SubsetSelector(frozenset({"v", "stage"}))


class Request:
    """A request that wants hosts with this metadata."""

    def __init__(self, **wanted: object) -> None:
        self._wanted = Criteria(wanted) if wanted else None

    def metadata_match(self) -> Criteria | None:
        return self._wanted


def host(name: str, **metadata: object) -> Host:
    made = Host(SocketAddress("10.0.0.1", 80), name)
    made.metadata = {"envoy.lb": metadata}
    return made


HOSTS = (host("a", v=1, stage="prod"), host("b", v=1, stage="dev"), host("c", v="two", tags=["x", "y"]), host("bare"))


class World:
    """Subsets over hosts; the balancer inside of one gives all of its hosts at once, by name."""

    def __init__(self, config: SubsetConfig, hosts: Sequence[Host] = HOSTS) -> None:
        self.store = StatsStore()
        self.stats = SubsetStats(self.store.scope(""))
        self.built: list[Sequence[HostSet[Host]]] = []
        self.config = config
        self.set_hosts(hosts)

    def set_hosts(self, hosts: Sequence[Host]) -> None:
        sets = [host_set([LocalityHosts(tuple(hosts), 7)])]
        self.subsets: Subsets[Host] = Subsets(sets, self.config, self._build, self.stats)

    def _build(self, sets: Sequence[HostSet[Host]]) -> Picker[Host]:
        self.built.append(sets)
        names = "".join(each.hostname for hosts in sets for each in hosts.hosts)
        return lambda context: Host(SocketAddress("", 0), names)

    def gets(self, **wanted: object) -> str:
        found = self.subsets.pick(Request(**wanted))
        return "" if found is None else found.hostname

    def stat(self, name: str) -> int:
        return (self.store.counters | self.store.gauges)[f"lb_subsets_{name}"].value  # type: ignore[operator]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({"v": 1}, "ab"),
        ({"v": True}, ""),
        ({"v": "1"}, ""),
        ({"v": "two"}, "c"),
        ({"v": 1, "stage": "dev"}, "b"),
        ({"stage": "dev"}, ""),
        ({"v": 1, "stage": "dev", "other": 1}, ""),
        ({}, ""),
    ],
)
def test_the_names_asked_for_are_those_of_a_selector(wanted: dict[str, object], expected: str) -> None:
    assert World(SubsetConfig((BY_V, BY_V_AND_STAGE))).gets(**wanted) == expected


def test_without_a_context_there_is_only_the_fallback() -> None:
    found = World(SubsetConfig((BY_V,), "ANY_ENDPOINT")).subsets.pick(None)
    assert found is not None
    assert found.hostname == "abcbare"


@pytest.mark.parametrize(
    ("config", "expected", "stat"),
    [
        ({"fallback": "NO_FALLBACK"}, "", ""),
        ({"fallback": "NO_FALLBACK", "panic_mode_any": True}, "", ""),
        ({"fallback": "ANY_ENDPOINT"}, "abcbare", "fallback"),
        ({"fallback": "DEFAULT_SUBSET", "default_subset": Criteria({"stage": "dev"})}, "b", "fallback"),
        ({"fallback": "DEFAULT_SUBSET"}, "abcbare", "fallback"),
        ({"fallback": "DEFAULT_SUBSET", "default_subset": Criteria({"stage": "no"})}, "", ""),
        (
            {"fallback": "DEFAULT_SUBSET", "default_subset": Criteria({"stage": "no"}), "panic_mode_any": True},
            "abcbare",
            "fallback_panic",
        ),
    ],
)
def test_the_fallback_of_the_cluster(config: dict[str, Any], expected: str, stat: str) -> None:
    world = World(SubsetConfig((BY_V,), **config))
    assert world.gets(v="none") == expected
    assert {name: world.stat(name) for name in ("fallback", "fallback_panic", "selected")} == {
        "fallback": int(stat == "fallback"),
        "fallback_panic": int(stat == "fallback_panic"),
        "selected": 0,
    }


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        ({"fallback": "NO_FALLBACK"}, ""),
        ({"fallback": "ANY_ENDPOINT"}, "abcbare"),
        ({"fallback": "DEFAULT_SUBSET"}, "b"),
        ({"fallback": "KEYS_SUBSET", "fallback_keys": frozenset({"v"})}, "ab"),
        ({"fallback": ""}, "b"),
    ],
)
def test_the_fallback_of_a_selector_comes_first(selector: dict[str, Any], expected: str) -> None:
    config = SubsetConfig((BY_V, replace(BY_V_AND_STAGE, **selector)), "DEFAULT_SUBSET", Criteria({"stage": "dev"}))
    assert World(config).gets(v=1, stage="none") == expected


def test_a_list_is_a_value_or_several() -> None:
    by_tags = (SubsetSelector(frozenset({"tags"})),)
    whole, each = World(SubsetConfig(by_tags)), World(SubsetConfig(by_tags, list_as_any=True))
    assert [world.gets(tags="y") for world in (whole, each)] == ["", "c"]
    assert [world.gets(tags=["x", "y"]) for world in (whole, each)] == ["c", ""]


def test_one_host_for_each_subset() -> None:
    world = World(SubsetConfig((replace(BY_V, single_host=True),)))
    assert world.gets(v=1) == "a"
    assert world.stat("single_host_per_subset_duplicate") == 1


def test_a_list_of_alternatives() -> None:
    world = World(SubsetConfig((BY_V, BY_V_AND_STAGE), fallback_list=True))
    assert world.gets(fallback_list=[{"v": "none"}, "no struct", {"v": "two"}]) == "c"
    assert world.gets(stage="dev", fallback_list=[{"v": 1}]) == "b"
    assert world.gets(fallback_list=[]) == ""
    assert world.gets(fallback_list="no list") == ""


def test_subsets_are_counted_as_they_come_and_go() -> None:
    world = World(SubsetConfig((BY_V,)))
    assert (world.stat("active"), world.stat("created"), world.stat("removed")) == (2, 2, 0)
    world.set_hosts(HOSTS[2:])
    assert (world.stat("active"), world.stat("created"), world.stat("removed")) == (1, 2, 1)


def test_a_balancer_is_made_once_and_only_for_what_is_asked_for() -> None:
    world = World(SubsetConfig((BY_V,)))
    assert world.built == []
    assert (world.gets(v=1), world.gets(v=1)) == ("ab", "ab")
    assert len(world.built) == 1
    assert world.stat("selected") == 2


@pytest.mark.parametrize(
    ("config", "weight"),
    [({}, 0), ({"locality_weight_aware": True}, 7), ({"locality_weight_aware": True, "scale_locality_weight": True}, 4)],
)
def test_weights_of_localities(config: dict[str, bool], weight: int) -> None:
    world = World(SubsetConfig((BY_V,), **config))
    world.gets(v=1)
    ((only,),) = world.built
    assert [each.weight for each in only.localities] == [weight]


def test_criteria() -> None:
    criteria = Criteria({"b": [1, {"x": None}], "a": True})
    assert criteria == Criteria({"a": True, "b": [1, {"x": None}]})
    assert criteria != Criteria({"a": 1, "b": [1, {"x": None}]})
    assert criteria != "something else"
    assert len({criteria, Criteria(dict(criteria.values))}) == 1
    assert criteria.merged({"a": 2}).values["a"] == 2
    assert repr(criteria.only(frozenset({"a"}))) == "Criteria({'a': True})"
    metadata: Mapping[str, object] = {"envoy.lb": {}, "other": {"a": 1}}
    assert criteria_of(metadata) is None
    assert criteria_of({"envoy.lb": {"a": 1}}) == Criteria({"a": 1})
