"""Tags taken out of stat names: `cluster.app.upstream_rq_2xx` → `cluster.upstream_rq_xx` {envoy.cluster_name: app, …}.

Here: Envoy's default tags and those of a bootstrap.  Each tag is a regular expression with two groups: what is cut out of the name, and the
tag's value inside it.  Envoy: config.metrics.v3.StatsConfig.stats_tags, well-known tag names.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class TagRule:
    """pattern: group 1 is removed from the name, group 2 (or 1, if there is only one) is the value.  required: text that a name must hold."""

    name: str
    pattern: re.Pattern[str]
    required: str = ""


@dataclass(frozen=True, slots=True)
class TaggedName:
    """A stat name without its tags, and the tags in the order they were found."""

    name: str
    tags: tuple[tuple[str, str], ...]


def rule(name: str, pattern: str, required: str = "") -> TagRule:
    """Raises re.error for a bad pattern."""
    return TagRule(name, re.compile(pattern), required)


_ADDRESS: Final = r"(?:\[[0-9a-fA-F_:.]*\]_[0-9]+|[0-9]+\.[0-9]+\.[0-9]+\.[0-9]+_[0-9]+|[^.]+)"

DEFAULT_RULES: Final = (
    rule("envoy.response_code", r"_rq(_([0-9]{3}))$", "_rq_"),
    rule("envoy.response_code_class", r"_rq_(([0-9]))xx$", "_rq_"),
    rule("envoy.rds_route_config", r"^http\.[^.]+\.rds\.((.+?)\.)[a-z_]+$", ".rds."),
    rule("envoy.scoped_rds_config", r"^http\.[^.]+\.scoped_rds\.((.+?)\.)[a-z_]+$", ".scoped_rds."),
    rule("envoy.virtual_host", r"^vhost\.((.+?)\.)(?:vcluster|route)\.", "vhost."),
    rule("envoy.virtual_cluster", r"^vhost\.(?:.+?\.)?vcluster\.((.+?)\.)", ".vcluster."),
    rule("envoy.route", r"^vhost\.(?:.+?\.)?route\.((.+?)\.)", ".route."),
    rule("envoy.listener_address", rf"^listener\.(({_ADDRESS})\.)", "listener."),
    rule("envoy.http_conn_manager_prefix", r"^(?:listener\..*?\.)?http\.(([^.]+)\.)", "http."),
    rule("envoy.worker_id", r"(?:^|\.)(worker_([0-9]+)\.)", "worker_"),
    rule("envoy.tcp_prefix", r"^tcp\.(([^.]+)\.)", "tcp."),
    rule("envoy.udp_prefix", r"^udp\.(([^.]+)\.)", "udp."),
    rule("envoy.cluster_name", r"^cluster\.(([^.]+)\.)", "cluster."),
    rule("envoy.ssl_cipher", r"\.ssl\.ciphers(\.(.+))$", ".ssl.ciphers"),
    rule("envoy.ssl_version", r"\.ssl\.versions(\.(.+))$", ".ssl.versions"),
    rule("envoy.ssl_curve", r"\.ssl\.curves(\.(.+))$", ".ssl.curves"),
    rule("envoy.ssl_sigalg", r"\.ssl\.sigalgs(\.(.+))$", ".ssl.sigalgs"),
    rule("envoy.local_http_ratelimit_prefix", r"^(([^.]+)\.)http_local_rate_limit\.", ".http_local_rate_limit."),
    rule("envoy.ratelimit_prefix", r"^ratelimit\.(([^.]+)\.)", "ratelimit."),
)


class TagExtractor:
    """The rules of one process.  fixed: tags that every stat carries (`--stats-tag`, stats_config's fixed values)."""

    __slots__ = ("_cache", "_fixed", "_rules")

    def __init__(self, rules: Sequence[TagRule] = DEFAULT_RULES, fixed: Sequence[tuple[str, str]] = ()) -> None:
        self._rules = tuple(rules)
        self._fixed = tuple(fixed)
        self._cache: dict[str, TaggedName] = {}

    def extract(self, name: str) -> TaggedName:
        """Remembers its answers: the names of a process change far less often than they are scraped."""
        found = self._cache.get(name)
        if found is None:
            found = self._cache[name] = self._extract(name)
        return found

    def _extract(self, name: str) -> TaggedName:
        cuts: list[tuple[int, int]] = []
        tags: list[tuple[str, str]] = []
        for each in self._rules:
            if each.required and each.required not in name:
                continue
            match = each.pattern.search(name)
            if match is None:
                continue
            tags.append((each.name, match[2] if match.re.groups > 1 else match[1]))
            cuts.append(match.span(1))
        return TaggedName(_cut(name, cuts), (*tags, *self._fixed))


def _cut(name: str, cuts: Sequence[tuple[int, int]]) -> str:
    """*name* without the given spans.  Spans may nest (a tag inside a tag); the outer one wins."""
    kept = ""
    position = 0
    for start, end in sorted(cuts):
        if start >= position:
            kept += name[position:start]
        position = max(position, end)
    return kept + name[position:]
