"""Counters, gauges, histograms and text read-outs, by Envoy's full dotted names.

Here: the live values and the store that owns them.  Not here: tags taken out of names (observe.names), text formats (observe.expose).
The request path looks a stat up once, when configuration is bound, and then adds to `value` in place.
Envoy: operations/stats_overview.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final


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
        counts = self.counts
        counts[value] = counts.get(value, 0) + 1

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


class StatsStore:
    """All stats of a process.  Asking twice for a name gives the same object."""

    __slots__ = ("_owned", "counters", "gauges", "histograms", "text_readouts")

    def __init__(self) -> None:
        self._owned: dict[str, list[str]] = {}  # prefix of a scope → names made through it
        self.counters: dict[str, Counter] = {}
        self.gauges: dict[str, Gauge] = {}
        self.histograms: dict[str, Histogram] = {}
        self.text_readouts: dict[str, TextReadout] = {}

    def counter(self, name: str) -> Counter:
        found = self.counters.get(name)
        if found is None:
            found = self.counters[name] = Counter(name)
        return found

    def gauge(self, name: str) -> Gauge:
        found = self.gauges.get(name)
        if found is None:
            found = self.gauges[name] = Gauge(name)
        return found

    def histogram(self, name: str, unit: str = "ms") -> Histogram:
        found = self.histograms.get(name)
        if found is None:
            found = self.histograms[name] = Histogram(name, unit)
        return found

    def text_readout(self, name: str) -> TextReadout:
        found = self.text_readouts.get(name)
        if found is None:
            found = self.text_readouts[name] = TextReadout(name)
        return found

    def scope(self, prefix: str) -> Scope:
        """Stats whose names begin with *prefix*, which includes its last dot."""
        return Scope(self, prefix, self._owned.setdefault(prefix, []))

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
        families: tuple[dict[str, Any], ...] = (self.counters, self.gauges, self.histograms, self.text_readouts)
        for family in families:
            self.forget([name for name in family if name.startswith(prefix)])

    def forget(self, names: Iterable[str]) -> None:
        for name in names:
            for family in (self.counters, self.gauges, self.histograms, self.text_readouts):
                family.pop(name, None)


class Scope:
    """A prefix in a store, handed to the owner of those stats.  Scopes of one prefix own together what any of them made."""

    __slots__ = ("_names", "prefix", "store")

    def __init__(self, store: StatsStore, prefix: str, names: list[str]) -> None:
        self.store: Final = store
        self.prefix: Final = prefix
        self._names: Final = names

    def counter(self, name: str) -> Counter:
        name = self.prefix + name
        found = self.store.counters.get(name)
        if found is None:
            self._names.append(name)
            found = self.store.counter(name)
        return found

    def gauge(self, name: str) -> Gauge:
        name = self.prefix + name
        found = self.store.gauges.get(name)
        if found is None:
            self._names.append(name)
            found = self.store.gauge(name)
        return found

    def histogram(self, name: str, unit: str = "ms") -> Histogram:
        name = self.prefix + name
        found = self.store.histograms.get(name)
        if found is None:
            self._names.append(name)
            found = self.store.histogram(name, unit)
        return found

    def text_readout(self, name: str) -> TextReadout:
        name = self.prefix + name
        found = self.store.text_readouts.get(name)
        if found is None:
            self._names.append(name)
            found = self.store.text_readout(name)
        return found

    def scope(self, prefix: str) -> Scope:
        return Scope(self.store, self.prefix + prefix, self._names)

    def drop(self) -> None:
        """Forget what was made below this prefix: its owner (a cluster, a listener) is gone.  Costs as much as it drops."""
        self.store.forget([name for name in self._names if name.startswith(self.prefix)])
        self._names[:] = [name for name in self._names if not name.startswith(self.prefix)]
