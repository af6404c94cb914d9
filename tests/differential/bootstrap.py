"""From cases to one bootstrap: each case has its own listener, HTTP connection manager and clusters, so cases cannot meet.

A `$name` in a case's configuration stands for that case's cluster of this name, `$name_port` for its port, `$log` for the
path of its access log.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.differential.case import Case, merge

TYPE = "type.googleapis.com/envoy.extensions."
HCM = TYPE + "filters.network.http_connection_manager.v3.HttpConnectionManager"
ROUTER = {"name": "envoy.filters.http.router", "typed_config": {"@type": TYPE + "filters.http.router.v3.Router"}}

# Every operator whose value does not depend on time, chance or the client's port.
LOG_FORMAT = (
    '%REQ(:METHOD)% %REQ(:PATH)% orig=%REQ(X-ENVOY-ORIGINAL-PATH)% %PROTOCOL% auth=%REQ(:AUTHORITY)% xff="%REQ(X-FORWARDED-FOR)%" '
    'ua="%REQ(USER-AGENT)%" %RESPONSE_CODE% flags=%RESPONSE_FLAGS% long=%RESPONSE_FLAGS_LONG% details=%RESPONSE_CODE_DETAILS% '
    "term=%CONNECTION_TERMINATION_DETAILS% rx=%BYTES_RECEIVED% tx=%BYTES_SENT% route=%ROUTE_NAME% cluster=%UPSTREAM_CLUSTER% "
    'attempts=%UPSTREAM_REQUEST_ATTEMPT_COUNT% fail="%UPSTREAM_TRANSPORT_FAILURE_REASON%" ct=%RESP(CONTENT-TYPE)% '
    "remote=%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT% local=%DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT% host=%UPSTREAM_HOST%\n"
)


def cluster_name(case: Case, name: str) -> str:
    return f"{case.key}-{name}"


def _address(port: int) -> dict[str, Any]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def _cluster(case: Case, name: str, port: int) -> dict[str, Any]:
    full = cluster_name(case, name)
    endpoints = [] if case.upstreams[name].kind == "none" else [{"endpoint": {"address": _address(port)}}]
    base = {
        "name": full,
        "type": "STATIC",
        "connect_timeout": "1s",
        "load_assignment": {"cluster_name": full, "endpoints": [{"lb_endpoints": endpoints}]},
    }
    return dict(merge(base, case.config.get("clusters", {}).get(name) or {}))


def _virtual_hosts(case: Case) -> list[Any]:
    if "virtual_hosts" in case.config:
        return list(case.config["virtual_hosts"])
    routes = case.config.get("routes") or [{"match": {"prefix": "/"}, "route": {"cluster": "$up"}}]
    return [{"name": "all", "domains": ["*"], "routes": routes}]


def _hcm(case: Case, log: Path) -> dict[str, Any]:
    access_log = {
        "name": "envoy.access_loggers.file",
        "typed_config": {
            "@type": TYPE + "access_loggers.file.v3.FileAccessLog",
            "path": str(log),
            "log_format": {"text_format_source": {"inline_string": LOG_FORMAT}},
        },
    }
    base = {
        "stat_prefix": case.key,
        "codec_type": "AUTO",
        "route_config": {"name": case.key, "virtual_hosts": _virtual_hosts(case)},
        "http_filters": [*case.config.get("filters", []), ROUTER],
        "access_log": [access_log],
    }
    return dict(merge(base, case.config.get("hcm", {})))


def _listener(case: Case, log: Path) -> dict[str, Any]:
    manager = {"@type": HCM, **_hcm(case, log)}
    filters = [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]
    base = {"name": case.key, "address": _address(0), "filter_chains": [{"filters": filters}]}
    return dict(merge(base, case.config.get("listener", {})))


def _fill_in(value: Any, names: Mapping[str, str]) -> Any:
    """Replace `$name`, wherever it stands in a string."""
    if isinstance(value, Mapping):
        return {key: _fill_in(item, names) for key, item in value.items()}
    if isinstance(value, list):
        return [_fill_in(item, names) for item in value]
    if isinstance(value, str) and "$" in value:
        return re.sub(rf"\$({'|'.join(map(re.escape, names))})\b", lambda found: names[found[1]], value)
    return value


def resources(case: Case, ports: Mapping[str, int], log: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The case's listener and clusters.  *ports*: those of its upstreams, by cluster name as the case writes it."""
    wanted = [name for name, script in case.upstreams.items() if script.kind != "absent"]
    clusters = [_cluster(case, name, ports.get(name, 0)) for name in wanted]
    names = {name: cluster_name(case, name) for name in case.upstreams} | {"log": str(log)}
    names |= {f"{name}_port": str(port) for name, port in ports.items()}
    return _fill_in(_listener(case, log), names), [_fill_in(cluster, names) for cluster in clusters]


def static_bootstrap(cases: Sequence[Case], ports: Mapping[str, Mapping[str, int]], log_directory: Path) -> dict[str, Any]:
    """One bootstrap for all *cases* (of one group).  *ports* by case id, then by cluster name."""
    listeners: list[dict[str, Any]] = []
    clusters: list[dict[str, Any]] = []
    for case in cases:
        listener, own = resources(case, ports[case.id], log_directory / f"{case.key}.log")
        listeners.append(listener)
        clusters.extend(own)
    base = {
        "node": {"id": "differential", "cluster": "differential"},
        "admin": {"address": _address(0)},
        "static_resources": {"listeners": listeners, "clusters": clusters},
    }
    return dict(merge(base, cases[0].config.get("bootstrap", {})))
