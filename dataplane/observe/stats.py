"""Counters, gauges, histograms and text read-outs, by Envoy's full dotted names.

Here: the live values and the store that owns them.  Not here: tags taken out of names (observe.names), text formats (observe.expose).
The request path looks a stat up once, when configuration is bound, and then adds to `value` in place.
Envoy: operations/stats_overview.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final, TypeVar


class Counter:
    """A number that only grows.  The request path may write `counter.value += n` directly."""

    __slots__ = ("name", "value")

    def __init__(self, name: str) -> None:
        self.name = name
        self.value = 0

    def inc(self, amount: int = 1) -> None:
        self.value += amount

    @property
    def used(self) -> bool:
        """Envoy's `usedonly`: has it ever been added to."""
        return self.value != 0


class Gauge:
    """A number that goes up and down."""

    __slots__ = ("name", "used", "value")

    def __init__(self, name: str) -> None:
        self.name = name
        self.value = 0
        self.used = False

    def set(self, value: int) -> None:
        self.value = value
        self.used = True

    def inc(self, amount: int = 1) -> None:
        self.value += amount
        self.used = True

    def dec(self, amount: int = 1) -> None:
        self.value -= amount


class TextReadout:
    """A piece of text, such as the version of the configuration in use."""

    __slots__ = ("name", "used", "value")

    def __init__(self, name: str) -> None:
        self.name = name
        self.value = ""
        self.used = False

    def set(self, value: str) -> None:
        self.value = value
        self.used = True


class Histogram:
    """A distribution of whole numbers (milliseconds, bytes).

    Kept as value → count with two significant digits, the resolution of Envoy's log-linear buckets.
    """

    __slots__ = ("_latched", "counts", "interval", "name", "total", "unit")

    def __init__(self, name: str, unit: str) -> None:
        self.name = name
        self.unit = unit
        self.counts: dict[int, int] = {}
        self.total = 0
        self.interval: dict[int, int] = {}
        """What was recorded between the last two flushes."""
        self._latched: dict[int, int] = {}

    def record(self, value: int) -> None:
        self.total += value
        if value >= 100:
            scale = 10 ** (len(str(value)) - 2)
            value -= value % scale
        try:
            self.counts[value] += 1
        except KeyError:
            self.counts[value] = 1

    def latch(self) -> None:
        """End an interval (Envoy: stats_flush_interval)."""
        before = self._latched
        self.interval = {value: added for value, count in self.counts.items() if (added := count - before.get(value, 0))}
        self._latched = dict(self.counts)

    @property
    def count(self) -> int:
        return sum(self.counts.values())

    @property
    def used(self) -> bool:
        return bool(self.counts)


_Stat = TypeVar("_Stat", Counter, Gauge, Histogram, TextReadout)


class StatsStore:
    """All stats of a process.  Asking twice for a name gives the same object.

    What the configuration rejects (`hide`) exists for its owner, who adds to it as to any other, and is shown nowhere.
    """

    __slots__ = ("_hidden", "_owned", "_rejects", "counters", "gauges", "histograms", "text_readouts")

    def __init__(self) -> None:
        self._owned: dict[str, dict[str, None]] = {}  # prefix of a scope → names made through it
        self._rejects: Callable[[str], bool] | None = None
        self._hidden: dict[type, dict[str, Any]] = {Counter: {}, Gauge: {}, Histogram: {}, TextReadout: {}}
        self.counters: dict[str, Counter] = {}
        self.gauges: dict[str, Gauge] = {}
        self.histograms: dict[str, Histogram] = {}
        self.text_readouts: dict[str, TextReadout] = {}

    def hide(self, rejects: Callable[[str], bool]) -> None:
        """Show no stat whose name *rejects* holds for, those that are there already included.  Envoy: StatsConfig.stats_matcher."""
        self._rejects = rejects
        for kind, family in self._families():
            for name in [name for name in family if rejects(name)]:
                self._hidden[kind][name] = family.pop(name)

    def counter(self, name: str) -> Counter:
        return self.counters.get(name) or self._kept(self.counters, Counter, name, lambda: Counter(name))

    def gauge(self, name: str) -> Gauge:
        return self.gauges.get(name) or self._kept(self.gauges, Gauge, name, lambda: Gauge(name))

    def histogram(self, name: str, unit: str = "ms") -> Histogram:
        return self.histograms.get(name) or self._kept(self.histograms, Histogram, name, lambda: Histogram(name, unit))

    def text_readout(self, name: str) -> TextReadout:
        return self.text_readouts.get(name) or self._kept(self.text_readouts, TextReadout, name, lambda: TextReadout(name))

    def _kept(self, shown: dict[str, _Stat], kind: type[_Stat], name: str, make: Callable[[], _Stat]) -> _Stat:
        """The hidden stat of that name, or a new one, kept where it belongs."""
        hidden: dict[str, _Stat] = self._hidden[kind]
        found = hidden.get(name)
        if found is None:
            found = make()
            (hidden if self._rejects is not None and self._rejects(name) else shown)[name] = found
        return found

    def _families(self) -> tuple[tuple[type, dict[str, Any]], ...]:
        """Every kind with its stats that are shown."""
        return (
            (Counter, self.counters),
            (Gauge, self.gauges),
            (Histogram, self.histograms),
            (TextReadout, self.text_readouts),
        )

    def scope(self, prefix: str) -> Scope:
        """Stats whose names begin with *prefix*, which includes its last dot."""
        return Scope(self, prefix, prefix)

    def own(self, owner: str, name: str) -> None:
        """Remember that the scopes made for *owner* made the stat *name*."""
        self._owned.setdefault(owner, {})[name] = None

    def disown(self, owner: str, prefix: str) -> list[str]:
        """What the scopes made for *owner* made below *prefix*; nobody remembers it any more."""
        names = self._owned.pop(owner, {})
        left = {name: None for name in names if not name.startswith(prefix)}
        if left:
            self._owned[owner] = left
        return [name for name in names if name not in left]

    def flush(self) -> None:
        """End the interval of every histogram."""
        for histogram in self.histograms.values():
            histogram.latch()

    def reset_counters(self) -> None:
        """Admin `/reset_counters`."""
        for counter in self.counters.values():
            counter.value = 0

    def drop(self, prefix: str) -> None:
        """Forget every stat below *prefix*, whoever made it.  Looks at every name: where there are many, drop the owner's scope."""
        for kind, family in self._families():
            self.forget([name for name in (*family, *self._hidden[kind]) if name.startswith(prefix)])

    def forget(self, names: Iterable[str]) -> None:
        families = [family for _, family in self._families()]
        if self._rejects is not None:
            families += self._hidden.values()
        for name in names:
            for family in families:
                family.pop(name, None)


class Scope:
    """A prefix in a store, handed to the owner of those stats.  Scopes of one prefix own together what any of them made."""

    __slots__ = ("_owner", "prefix", "store")

    def __init__(self, store: StatsStore, prefix: str, owner: str) -> None:
        """owner: the prefix that the first scope was made for."""
        self.store: Final = store
        self.prefix: Final = prefix
        self._owner: Final = owner

    def counter(self, name: str) -> Counter:
        name = self.prefix + name
        found = self.store.counters.get(name)
        if found is None:
            self.store.own(self._owner, name)
            found = self.store.counter(name)
        return found

    def gauge(self, name: str) -> Gauge:
        name = self.prefix + name
        found = self.store.gauges.get(name)
        if found is None:
            self.store.own(self._owner, name)
            found = self.store.gauge(name)
        return found

    def histogram(self, name: str, unit: str = "ms") -> Histogram:
        name = self.prefix + name
        found = self.store.histograms.get(name)
        if found is None:
            self.store.own(self._owner, name)
            found = self.store.histogram(name, unit)
        return found

    def text_readout(self, name: str) -> TextReadout:
        name = self.prefix + name
        found = self.store.text_readouts.get(name)
        if found is None:
            self.store.own(self._owner, name)
            found = self.store.text_readout(name)
        return found

    def scope(self, prefix: str) -> Scope:
        return Scope(self.store, self.prefix + prefix, self._owner)

    def drop(self) -> None:
        """Forget what was made below this prefix: its owner (a cluster, a listener) is gone.  Costs as much as it drops."""
        self.store.forget(self.store.disown(self._owner, self.prefix))
