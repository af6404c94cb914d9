"""A few numbers about the control plane, in Prometheus' text format.

Here: reading them off the service.  Not here: what proxies measure (their own admin endpoint).
"""

from __future__ import annotations

from collections import Counter

from controlplane.base.type_url import short
from controlplane.service.management import Management


def exposition(management: Management) -> str:
    newest = management.newest
    proxies = [each for each in management.proxies(None) if each.disconnected_at is None]
    nacked = Counter((each.group, short(status.type_url)) for each in proxies for status in each.types if status.rejecting)
    lines = [
        *_gauge("pointsman_revision", "The newest revision of the configuration.", {"": newest.info.revision}),
        *_gauge("pointsman_resources", "Resources by type.", _by_type(management)),
        *_gauge("pointsman_proxies", "Connected proxies by group.", _labelled("group", Counter(each.group for each in proxies))),
        *_gauge(
            "pointsman_proxies_behind",
            "Proxies that have not acknowledged everything of the newest revision.",
            _labelled("group", Counter(each.group for each in proxies if each.ready_revision < newest.info.revision)),
        ),
        *_gauge(
            "pointsman_proxies_rejecting",
            "Proxies that refuse something of what they shall have now.",
            {f'{{group="{_escaped(group)}",type="{kind}"}}': count for (group, kind), count in nacked.items()},
        ),
    ]
    return "\n".join(lines) + "\n"


def _by_type(management: Management) -> dict[str, int]:
    return _labelled("type", Counter(short(key.type_url) for key in management.newest.configuration.resources))


def _labelled(label: str, counts: Counter[str]) -> dict[str, int]:
    return {f'{{{label}="{_escaped(value)}"}}': count for value, count in sorted(counts.items())}


def _gauge(name: str, text: str, samples: dict[str, int]) -> list[str]:
    return [f"# HELP {name} {text}", f"# TYPE {name} gauge", *(f"{name}{labels} {value}" for labels, value in samples.items())]


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
