"""The configuration of a soak: every revision has other clusters, endpoints, routes, secrets, and another one of the listeners that come and go.

Here: the resources of each revision.  Not here: who serves behind them (upstreams), who asks (loads, visitors).
"""

from __future__ import annotations

from typing import Any

from tests.soak.upstreams import Upstreams
from tests.support import bootstraps
from tests.support.certificates import Authority, KeyPair
from tests.support.compiling import message
from tests.support.xds_resources import ADS, ROUTER, endpoints, rds_listener

HTTP_LISTENER, TLS_LISTENER, TCP_LISTENER = "moving", "moving-tls", "moving-tcp"
LISTENERS = (HTTP_LISTENER, TLS_LISTENER, TCP_LISTENER)
SILENT_TIMEOUT = 0.2

# Of what comes and goes beside the listeners under load.
_OTHER_LISTENERS = 3
_CHAIN = "envoy.config.listener.v3.Listener"
_FILTERS = bootstraps.TYPE + "filters.network."
_TLS = bootstraps.TYPE + "transport_sockets.tls.v3."
_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
_HTTP2 = {_OPTIONS: {"@type": f"type.googleapis.com/{_OPTIONS}", "explicit_http_config": {"http2_protocol_options": {}}}}
_RETRIES = {"retry_on": "connect-failure,reset,5xx", "num_retries": 2, "retry_back_off": {"base_interval": "0.005s"}}


class SoakWorld:
    """Hands out the resources of one revision after the other."""

    def __init__(self, upstreams: Upstreams, authority: Authority) -> None:
        self._upstreams = upstreams
        self._authority = authority
        self._pairs = [authority.sign("edge.test"), authority.sign("edge.test", "other.test")]
        self.revision = 0

    def next_revision(self) -> list[Any]:
        self.revision += 1
        revision = self.revision
        moving, origin = f"cluster-{revision}", self._upstreams.origins[revision % len(self._upstreams.origins)]
        fixed = dict(self._upstreams.ports())
        return [
            rds_listener(HTTP_LISTENER, "moving-routes"),
            rds_listener(f"other-{revision % _OTHER_LISTENERS}", "moving-routes"),
            message(_CHAIN, _tls_listener()),
            message(_CHAIN, _tcp_listener()),
            message("envoy.config.route.v3.RouteConfiguration", _routes(revision, moving)),
            *(_cluster(name, revision) for name in (moving, *fixed)),
            *(endpoints(name, port) for name, port in {moving: origin.port, **fixed}.items()),
            _secret("edge", tls_certificate=_pair(self._pairs[revision % 2])),
            _secret("trust", validation_context={"trusted_ca": _pem(self._authority.certificate)}),
        ]


def _routes(revision: int, moving: str) -> dict[str, Any]:
    def forward(prefix: str, cluster: str, **action: Any) -> dict[str, Any]:
        return {"match": {"prefix": prefix}, "route": {"cluster": cluster, **action}}

    routes = [
        forward("/silent", "silent", timeout=f"{SILENT_TIMEOUT}s"),
        forward("/flaky", "flaky", retry_policy=_RETRIES),
        forward("/secure", "secure"),
        forward("/socket", "echo", upgrade_configs=[{"upgrade_type": "websocket"}]),
        forward("/test.Echo/", "grpc"),
        forward("/", moving),
    ]
    stamp = {"header": {"key": "x-revision", "value": str(revision)}}
    hosts = [{"name": "all", "domains": ["*"], "routes": routes}]
    return {"name": "moving-routes", "virtual_hosts": hosts, "response_headers_to_add": [stamp]}


def _cluster(name: str, revision: int) -> Any:
    """Those that stay feel every revision, too: a limit of theirs changes.

    But not that of the one behind TLS: its sessions would go with its context, and CPython 3.11 leaks 6 kB with each look at a new one.
    """
    limit = 10_000 + (revision % 2 if name != "secure" else 0)
    more: dict[str, Any] = {"circuit_breakers": {"thresholds": [{"max_connections": limit}]}}
    if name == "grpc":
        more["typed_extension_protocol_options"] = _HTTP2
    if name == "secure":
        trust = {"validation_context_sds_secret_config": {"name": "trust", "sds_config": ADS}}
        more["transport_socket"] = _tls_socket("Upstream", trust, sni="secure.test")
    eds = {"eds_config": ADS}
    content = {"name": name, "type": "EDS", "eds_cluster_config": eds, "connect_timeout": "10s", **more}
    return message("envoy.config.cluster.v3.Cluster", content)


def _tls_listener() -> dict[str, Any]:
    manager = {
        "@type": _FILTERS + "http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "test",
        "rds": {"route_config_name": "moving-routes", "config_source": ADS},
        "http_filters": [ROUTER],
    }
    common = {
        "alpn_protocols": ["h2", "http/1.1"],
        "tls_certificate_sds_secret_configs": [{"name": "edge", "sds_config": ADS}],
    }
    chain = {"filters": [{"name": "http", "typed_config": manager}], "transport_socket": _tls_socket("Downstream", common)}
    return {"name": TLS_LISTENER, "address": bootstraps.address(), "filter_chains": [chain]}


def _tcp_listener() -> dict[str, Any]:
    proxy = {"@type": _FILTERS + "tcp_proxy.v3.TcpProxy", "stat_prefix": "tcp", "cluster": "echo"}
    return {
        "name": TCP_LISTENER,
        "address": bootstraps.address(),
        "filter_chains": [{"filters": [{"name": "tcp", "typed_config": proxy}]}],
    }


def _tls_socket(side: str, common: dict[str, Any], **more: Any) -> dict[str, Any]:
    context = {"@type": f"{_TLS}{side}TlsContext", "common_tls_context": common, **more}
    return {"name": "envoy.transport_sockets.tls", "typed_config": context}


def _secret(name: str, **content: Any) -> Any:
    return message("envoy.extensions.transport_sockets.tls.v3.Secret", {"name": name, **content})


def _pair(keys: KeyPair) -> dict[str, Any]:
    return {"certificate_chain": _pem(keys.certificate), "private_key": _pem(keys.private_key)}


def _pem(data: bytes) -> dict[str, str]:
    return {"inline_string": data.decode()}
