"""HTTP/1.1 to HTTP/1.1, small answers: 20 routes, retries configured, statistics, request id, access log to a file."""

from __future__ import annotations

from typing import Any

from bench.scenario import Place, Scenario
from bench.wrk import Wrk

ROUTES = 20
PATH = f"/service-{ROUTES // 2}/items?id=1"
TYPE = "type.googleapis.com/envoy.extensions."


def _address(port: int) -> dict[str, Any]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def _cluster(name: str, port: int) -> dict[str, Any]:
    endpoint = {"endpoint": {"address": _address(port)}}
    return {
        "name": name,
        "type": "STATIC",
        "connect_timeout": "1s",
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [endpoint]}]},
    }


def _hcm(place: Place) -> dict[str, Any]:
    retries = {"retry_on": "connect-failure,refused-stream,reset,gateway-error", "num_retries": 2}
    routes = [
        {
            "name": f"route-{number}",
            "match": {"prefix": f"/service-{number}/"},
            "route": {"cluster": f"cluster-{number % 4}", "retry_policy": retries},
        }
        for number in range(1, ROUTES + 1)
    ]
    log = {"@type": TYPE + "access_loggers.file.v3.FileAccessLog", "path": str(place.directory / "access.log")}
    router = {"@type": TYPE + "filters.http.router.v3.Router"}
    return {
        "@type": TYPE + "filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "ingress",
        "use_remote_address": True,
        "generate_request_id": True,
        "access_log": [{"name": "envoy.access_loggers.file", "typed_config": log}],
        "route_config": {"name": "local", "virtual_hosts": [{"name": "all", "domains": ["*"], "routes": routes}]},
        "http_filters": [{"name": "envoy.filters.http.router", "typed_config": router}],
    }


def bootstrap(place: Place) -> dict[str, Any]:
    manager = {"name": "envoy.filters.network.http_connection_manager", "typed_config": _hcm(place)}
    listener = {"name": "ingress", "address": _address(place.listen_port), "filter_chains": [{"filters": [manager]}]}
    clusters = [_cluster(f"cluster-{number}", place.upstream_port) for number in range(4)]
    return {
        "node": {"id": "bench", "cluster": "bench"},
        "admin": {"address": _address(place.admin_port)},
        "static_resources": {"listeners": [listener], "clusters": clusters},
    }


def nginx(place: Place) -> str:
    """The same for nginx: one worker, keep-alive to the upstream, request id and forwarded headers."""
    directory = place.directory
    locations = "\n".join(
        f"    location /service-{number}/ {{ proxy_pass http://cluster_{number % 4}; }}" for number in range(1, ROUTES + 1)
    )
    upstreams = "\n".join(
        f"  upstream cluster_{number} {{ server 127.0.0.1:{place.upstream_port}; keepalive 64; }}" for number in range(4)
    )
    return f"""
daemon off; master_process off; worker_processes 1; pid {directory}/nginx.pid; error_log {directory}/nginx.err;
events {{ worker_connections 4096; }}
http {{
  log_format bench '[$time_iso8601] "$request" $status $request_length $bytes_sent $request_time $upstream_response_time '
    '"$http_x_forwarded_for" "$http_user_agent" "$request_id" "$host" "$upstream_addr"';
  access_log {directory}/access.log bench;
  keepalive_requests 1000000000; keepalive_timeout 3600s;
  client_body_temp_path {directory}/b; proxy_temp_path {directory}/p; fastcgi_temp_path {directory}/f;
  uwsgi_temp_path {directory}/u; scgi_temp_path {directory}/s;
{upstreams}
  server {{
    listen 127.0.0.1:{place.listen_port} backlog=1024;
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    proxy_set_header Host $host;
    proxy_set_header X-Request-Id $request_id;
    proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    proxy_set_header X-Forwarded-Proto $scheme;
{locations}
  }}
}}
"""


def haproxy(place: Place) -> str:
    """The same for HAProxy: one thread; its log goes to standard output, which is a file."""
    rules = "\n".join(
        f"  use_backend cluster_{number % 4} if {{ path_beg /service-{number}/ }}" for number in range(1, ROUTES + 1)
    )
    backends = "\n".join(
        f"backend cluster_{number}\n  server s 127.0.0.1:{place.upstream_port} pool-max-conn 64" for number in range(4)
    )
    return f"""
global
  nbthread 1
  maxconn 4096
  log stdout format raw local0
defaults
  mode http
  log global
  option httplog
  option forwardfor
  timeout connect 5s
  timeout client 300s
  timeout server 300s
  unique-id-format %{{+X}}o%ci:%cp_%fi:%fp_%Ts_%rt:%pid
  unique-id-header X-Request-Id
frontend ingress
  bind 127.0.0.1:{place.listen_port}
  http-request set-header X-Forwarded-Proto http
{rules}
  default_backend cluster_0
{backends}
"""


SCENARIO = Scenario(
    name="h1",
    about="HTTP/1.1 to HTTP/1.1, 43-byte answers, 20 routes, retries, stats, request id, access log to a file",
    bootstrap=bootstrap,
    load=Wrk(PATH),
    target=0.75,
    other_configs={"nginx": nginx, "haproxy": haproxy},
)
