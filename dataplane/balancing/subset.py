"""Subsets: hosts by their metadata, and a balancer for each of them.

Here: which subset a request gets, and what happens where there is none.  Not here: balancing inside of one (balancer, hashing).
Made anew with every change of hosts, so that a request pays for two look-ups.
Envoy: Cluster.LbSubsetConfig, SubsetLoadBalancer; intro/arch_overview/upstream/load_balancing/subsets.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import TYPE_CHECKING, Final, Generic, Protocol, cast

from dataplane.balancing.balancer import pick_nothing
from dataplane.balancing.hosts import Host, HostSet, HostT, LocalityHosts, host_set
from dataplane.balancing.policies import Picker
from dataplane.matching.criteria import LB_NAMESPACE, Criteria, freeze

if TYPE_CHECKING:
    from dataplane.observe.stats import Scope

NO_FALLBACK: Final = "NO_FALLBACK"
ANY_ENDPOINT: Final = "ANY_ENDPOINT"
DEFAULT_SUBSET: Final = "DEFAULT_SUBSET"
KEYS_SUBSET: Final = "KEYS_SUBSET"
_FALLBACK_LIST: Final = "fallback_list"

Key = tuple[tuple[str, Hashable], ...]


@dataclass(frozen=True, slots=True)
class SubsetSelector:
    """`LbSubsetSelector`: a subset for each combination of the values of *keys*.  fallback: "" for the cluster's own."""

    keys: frozenset[str]
    fallback: str = ""
    fallback_keys: frozenset[str] = frozenset()
    single_host: bool = False


@dataclass(frozen=True, slots=True)
class SubsetConfig:
    """`LbSubsetConfig`."""

    selectors: tuple[SubsetSelector, ...]
    fallback: str = NO_FALLBACK
    default_subset: Criteria | None = None
    locality_weight_aware: bool = False
    scale_locality_weight: bool = False
    panic_mode_any: bool = False
    list_as_any: bool = False
    fallback_list: bool = False  # metadata_fallback_policy: FALLBACK_LIST


class SubsetStats:
    """The statistics `lb_subsets_*` of a cluster.  seen: the subsets that there were before."""

    __slots__ = ("active", "created", "duplicates", "fallback", "fallback_panic", "removed", "seen", "selected")

    def __init__(self, scope: Scope) -> None:
        self.active = scope.gauge("lb_subsets_active")
        self.created = scope.counter("lb_subsets_created")
        self.removed = scope.counter("lb_subsets_removed")
        self.selected = scope.counter("lb_subsets_selected")
        self.fallback = scope.counter("lb_subsets_fallback")
        self.fallback_panic = scope.counter("lb_subsets_fallback_panic")
        self.duplicates = scope.gauge("lb_subsets_single_host_per_subset_duplicate")
        self.seen: frozenset[Key] = frozenset()

    def show(self, subsets: frozenset[Key], duplicates: int) -> None:
        self.created.inc(len(subsets - self.seen))
        self.removed.inc(len(self.seen - subsets))
        self.active.set(len(subsets))
        self.duplicates.set(duplicates)
        self.seen = subsets


class SubsetContext(Protocol):
    """What subsets ask about a request."""

    def metadata_match(self) -> Criteria | None: ...


@dataclass(slots=True)
class _Subset(Generic[HostT]):
    """Hosts, and the balancer among them once a request has asked for it."""

    hosts: list[HostT] = field(default_factory=list)
    picker: Picker[HostT] | None = None


Build = Callable[[Sequence[HostSet[HostT]]], Picker[HostT]]


class Subsets(Generic[HostT]):
    """The subsets of a cluster as its hosts stand."""

    __slots__ = ("_any", "_build", "_config", "_default", "_selectors", "_sets", "_stats", "_subsets")

    def __init__(self, sets: Sequence[HostSet[HostT]], config: SubsetConfig, build: Build[HostT], stats: SubsetStats) -> None:
        self._sets = sets
        self._config = config
        self._build = build
        self._stats = stats
        self._selectors: dict[frozenset[str], SubsetSelector] = {}
        for selector in config.selectors:
            self._selectors.setdefault(selector.keys, selector)
        self._subsets: dict[Key, _Subset[HostT]] = {}
        hosts = [host for each in sets for host in each.hosts]
        duplicates = sum(self._sort_in(host) for host in hosts)
        self._any = _Subset(hosts)
        wanted = Criteria({}) if config.default_subset is None else config.default_subset
        self._default = _Subset([host for host in hosts if _has(host, wanted, config.list_as_any)])
        stats.show(frozenset(self._subsets), duplicates)

    def pick(self, context: object) -> HostT | None:
        criteria = None if context is None else cast("SubsetContext", context).metadata_match()
        if criteria is not None and self._config.fallback_list and _FALLBACK_LIST in criteria.names:
            return self._first_of(criteria, context)
        return self._choose(criteria, context)

    def _first_of(self, criteria: Criteria, context: object) -> HostT | None:
        """The first of the alternatives in the request's own list that gives a host."""
        rest = criteria.without(_FALLBACK_LIST)
        listed = criteria.values[_FALLBACK_LIST]
        for alternative in listed if isinstance(listed, list) else ():
            if isinstance(alternative, Mapping):
                host = self._choose(rest.merged(alternative), context)
                if host is not None:
                    return host
        return None

    def _choose(self, criteria: Criteria | None, context: object) -> HostT | None:
        if criteria is not None and criteria.names:
            subset = self._subsets.get(criteria.key)
            if subset is not None:
                self._stats.selected.inc()
                return self._ask(subset, context)
            selector = self._selectors.get(criteria.names)
            if selector is not None and selector.fallback:
                return self._fall_back_as(selector, criteria, context)
        return self._fall_back(context)

    def _fall_back_as(self, selector: SubsetSelector, criteria: Criteria, context: object) -> HostT | None:
        match selector.fallback:
            case "ANY_ENDPOINT":
                return self._ask(self._any, context)
            case "DEFAULT_SUBSET":
                return self._ask(self._default, context)
            case "KEYS_SUBSET":
                return self._choose(criteria.only(selector.fallback_keys), context)
        return None

    def _fall_back(self, context: object) -> HostT | None:
        fallback = self._config.fallback
        if fallback == NO_FALLBACK:
            return None
        subset = self._any if fallback == ANY_ENDPOINT else self._default
        if subset.hosts:
            self._stats.fallback.inc()
            return self._ask(subset, context)
        if self._config.panic_mode_any:
            self._stats.fallback_panic.inc()
            return self._ask(self._any, context)
        return None

    def _ask(self, subset: _Subset[HostT], context: object) -> HostT | None:
        if subset.picker is None:
            subset.picker = self._build(self._only(frozenset(subset.hosts))) if subset.hosts else pick_nothing
        return subset.picker(context)

    def _sort_in(self, host: HostT) -> int:
        """Put *host* into every subset it belongs to.  Returns how many of them had their one host already."""
        refused = 0
        for selector in self._config.selectors:
            for key in _keys_of(host, selector.keys, self._config.list_as_any):
                subset = self._subsets.setdefault(key, _Subset())
                if selector.single_host and subset.hosts and subset.hosts[0] is not host:
                    refused += 1
                elif host not in subset.hosts[-1:]:
                    subset.hosts.append(host)
        return refused

    def _only(self, members: frozenset[HostT]) -> list[HostSet[HostT]]:
        """The host sets with *members* alone."""
        filtered = []
        for each in self._sets:
            localities = [self._part(locality, members) for locality in each.localities]
            filtered.append(host_set(localities, each.overprovisioning_factor))
        return filtered

    def _part(self, locality: LocalityHosts[HostT], members: frozenset[HostT]) -> LocalityHosts[HostT]:
        hosts = tuple(host for host in locality.hosts if host in members)
        weight = locality.weight if self._config.locality_weight_aware else 0
        if weight and self._config.scale_locality_weight and locality.hosts:
            weight = max(1, round(weight * len(hosts) / len(locality.hosts)))
        return LocalityHosts(hosts, weight)


def _lb_metadata(host: Host) -> Mapping[str, object]:
    found = host.metadata.get(LB_NAMESPACE)
    return found if isinstance(found, Mapping) else {}


def _alternatives(value: object, list_as_any: bool) -> Iterable[object]:
    return value if list_as_any and isinstance(value, list) else (value,)


def _keys_of(host: Host, names: frozenset[str], list_as_any: bool) -> Iterator[Key]:
    """The keys of the subsets of one selector that *host* is in: none where it lacks a name."""
    metadata = _lb_metadata(host)
    if not names or not names <= metadata.keys():
        return
    choices = [[(name, freeze(value)) for value in _alternatives(metadata[name], list_as_any)] for name in sorted(names)]
    yield from product(*choices)


def _has(host: Host, wanted: Criteria, list_as_any: bool) -> bool:
    metadata = _lb_metadata(host)
    return all(
        name in metadata and any(freeze(each) == value for each in _alternatives(metadata[name], list_as_any))
        for name, value in wanted.key
    )
