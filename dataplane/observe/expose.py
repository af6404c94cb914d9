"""The stats of a store as text, JSON and Prometheus exposition.

Here: formats.  Not here: HTTP (admin.handlers.stats), taking tags out of names (observe.names).
Envoy: operations/admin `/stats`, `/stats/prometheus`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from dataplane.observe.histogram import DEFAULT_BUCKETS, QUANTILES, cumulative, number, quantiles
from dataplane.observe.names import TagExtractor
from dataplane.observe.stats import Counter, Gauge, Histogram, StatsStore, TextReadout

Simple = Counter | Gauge | TextReadout

_INVALID: Final = re.compile(r"[^a-zA-Z0-9_]")


@dataclass(frozen=True, slots=True)
class Selection:
    """Which stats to show.  wanted: whether a name passes the filter.  kinds: of Counters, Gauges, Histograms, TextReadouts."""

    used_only: bool = False
    wanted: Callable[[str], bool] = lambda name: True
    kinds: frozenset[str] = frozenset({"Counters", "Gauges", "Histograms", "TextReadouts"})

    def pick(self, stats: Iterable[Any]) -> list[Any]:
        chosen = [stat for stat in stats if (stat.used or not self.used_only) and self.wanted(stat.name)]
        return sorted(chosen, key=lambda stat: str(stat.name))


ALL: Final = Selection()


def _families(store: StatsStore, selection: Selection) -> tuple[list[TextReadout], list[Simple], list[Histogram]]:
    """Text read-outs, then numbers, then histograms: the order of Envoy's pages."""
    kinds = selection.kinds
    texts = selection.pick(store.text_readouts.values()) if "TextReadouts" in kinds else []
    numbers: list[Simple] = []
    if "Counters" in kinds:
        numbers += store.counters.values()
    if "Gauges" in kinds:
        numbers += store.gauges.values()
    histograms = selection.pick(store.histograms.values()) if "Histograms" in kinds else []
    return texts, selection.pick(numbers), histograms


def text(store: StatsStore, selection: Selection = ALL, buckets: str = "") -> str:
    """`name: value` lines.  buckets: "", "cumulative" or "disjoint"."""
    texts, numbers, histograms = _families(store, selection)
    lines = [f'{stat.name}: "{stat.value}"' for stat in texts]
    lines += [f"{stat.name}: {stat.value}" for stat in numbers]
    lines += [f"{stat.name}: {_histogram_text(stat, buckets)}" for stat in histograms]
    return "\n".join(lines) + "\n" if lines else ""


def _histogram_text(stat: Histogram, buckets: str) -> str:
    if not stat.count:
        return "No recorded values"
    if buckets in ("cumulative", "disjoint"):
        overall = _bucket_counts(stat.counts, buckets == "disjoint")
        recent = _bucket_counts(stat.interval, buckets == "disjoint")
        return " ".join(f"B{number(bound)}({r},{o})" for bound, r, o in zip(DEFAULT_BUCKETS, recent, overall, strict=True))
    overall_values = quantiles(stat.counts)
    recent_values = quantiles(stat.interval)
    return " ".join(
        f"P{number(quantile * 100)}({number(recent_values[i]) if recent_values else 'nan'},{number(overall_values[i])})"
        for i, quantile in enumerate(QUANTILES)
        if overall_values
    )


def _bucket_counts(counts: Mapping[int, int], disjoint: bool) -> list[int]:
    reached = cumulative(counts)
    if not disjoint:
        return reached
    return [count - below for count, below in zip(reached, [0, *reached], strict=False)]


def as_json(store: StatsStore, selection: Selection = ALL) -> str:
    """Envoy's `{"stats": [...]}`: simple values first, then one object with all histograms."""
    texts, numbers, histograms = _families(store, selection)
    entries: list[dict[str, Any]] = [{"name": stat.name, "value": stat.value} for stat in (*texts, *numbers)]
    if histograms:
        computed = [_histogram_json(stat) for stat in histograms]
        supported = [quantile * 100 for quantile in QUANTILES]
        entries.append({"histograms": {"supported_quantiles": supported, "computed_quantiles": computed}})
    return json.dumps({"stats": entries}, separators=(",", ":"))


def _histogram_json(stat: Histogram) -> dict[str, Any]:
    overall, recent = quantiles(stat.counts), quantiles(stat.interval)
    values = [
        {"interval": recent[i] if recent else None, "cumulative": overall[i] if overall else None} for i in range(len(QUANTILES))
    ]
    return {"name": stat.name, "values": values}


def prometheus(store: StatsStore, tags: TagExtractor, selection: Selection = ALL, *, text_readouts: bool = False) -> str:
    """Prometheus text format 0.0.4: names with `envoy_` before them, tags as labels."""
    lines: list[str] = []
    for kind, stats in (("counter", store.counters), ("gauge", store.gauges)):
        chosen = selection.pick(stats.values())
        _write_family(lines, kind, ((stat.name, stat.value, ()) for stat in chosen), tags)
    if text_readouts:
        readouts = selection.pick(store.text_readouts.values())
        _write_family(lines, "gauge", ((stat.name, 0, (("text_value", stat.value),)) for stat in readouts), tags)
    for name, series in _grouped(((stat.name, stat, ()) for stat in selection.pick(store.histograms.values())), tags):
        lines.append(f"# TYPE {name} histogram")
        for labels, stat in series:
            _write_histogram(lines, name, labels, stat)
    return "\n".join(lines) + "\n" if lines else ""


_Sample = tuple[str, Any, tuple[tuple[str, str], ...]]


def _grouped(samples: Iterable[_Sample], tags: TagExtractor) -> list[tuple[str, list[tuple[str, Any]]]]:
    """Samples by metric name, sorted; each with its labels as text."""
    families: dict[str, list[tuple[str, Any]]] = {}
    for stat_name, value, extra in samples:
        tagged = tags.extract(stat_name)
        name = "envoy_" + _INVALID.sub("_", tagged.name)
        labels = ",".join(f'{_INVALID.sub("_", tag)}="{_escaped(text)}"' for tag, text in (*tagged.tags, *extra))
        families.setdefault(name, []).append((labels, value))
    return sorted(families.items())


def _write_family(lines: list[str], kind: str, samples: Iterable[_Sample], tags: TagExtractor) -> None:
    for name, series in _grouped(samples, tags):
        lines.append(f"# TYPE {name} {kind}")
        lines += [f"{name}{{{labels}}} {value}" for labels, value in series]


def _write_histogram(lines: list[str], name: str, labels: str, stat: Histogram) -> None:
    comma = "," if labels else ""
    for bound, count in zip(DEFAULT_BUCKETS, cumulative(stat.counts), strict=True):
        lines.append(f'{name}_bucket{{{labels}{comma}le="{number(bound)}"}} {count}')
    lines.append(f'{name}_bucket{{{labels}{comma}le="+Inf"}} {stat.count}')
    lines.append(f"{name}_sum{{{labels}}} {stat.total}")
    lines.append(f"{name}_count{{{labels}}} {stat.count}")


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
