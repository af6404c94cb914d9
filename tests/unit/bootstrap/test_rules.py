"""What must hold of a bootstrap as a whole.  Verdicts and words were seen with Envoy 1.40 on the same texts."""

from __future__ import annotations

from pathlib import Path

import pytest
from envoy.config.bootstrap.v3.bootstrap_pb2 import Bootstrap

from dataplane.base.errors import ConfigError
from dataplane.bootstrap.load import load
from dataplane.bootstrap.part_rules import PART_RULES
from dataplane.bootstrap.references import REFERENCE_RULES
from dataplane.bootstrap.rules import bootstrap_errors, deprecation_warnings, start_errors

NODE = "node: {id: x, cluster: c}\n"
XDS = """static_resources:
  clusters:
  - name: xds
    type: %s
    load_assignment:
      cluster_name: xds
      endpoints: {lb_endpoints: {endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: 1}}}}}
"""
STATIC = XDS % "STATIC"
ADS = "dynamic_resources: {ads_config: {api_type: GRPC, grpc_services: {envoy_grpc: {cluster_name: %s}}}}\n"
REQUIRED = "node 'id' and 'cluster' are required, in the 'node' of the bootstrap or by --service-node and --service-cluster"
GHOST = "must be a statically defined non-EDS cluster: 'ghost' does not exist, was added via api, or is an EDS cluster"


def bootstrap(text: str) -> Bootstrap:
    return load(yaml_text=text).message


def broken(text: str) -> list[str]:
    """What the rules of the whole say, without shapes and single resources."""
    message = bootstrap(text)
    found: list[ConfigError] = [error for rule in (*PART_RULES, *REFERENCE_RULES) for error in rule(message)]
    return [str(error) for error in found]


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        ("static_resources: {clusters: [{name: a}, {name: b}, {name: a}]}",
         ["static_resources.clusters[2].name: cluster manager: duplicate cluster 'a'"]),
        ("static_resources: {secrets: [{name: a, generic_secret: {}}, {name: a, generic_secret: {}}, {name: a, tls_certificate: {}}]}",
         ["static_resources.secrets[1].name: duplicate static generic_secret secret a"]),
        ("layered_runtime: {layers: [{name: a, admin_layer: {}}, {name: b, static_layer: {}}, {name: c, admin_layer: {}}]}",
         ["layered_runtime.layers[2].admin_layer: Too many admin layers specified in LayeredRuntime, at most one may be specified"]),
        ("stats_flush_interval: 1s\nstats_flush_on_admin: true",
         ["stats_flush_on_admin: Only one of stats_flush_interval or stats_flush_on_admin should be set!"]),
        ("stats_flush_on_admin: true", []),
        ("watchdog: {miss_timeout: 1s}\nwatchdogs: {}", ["watchdog: Only one of watchdog or watchdogs should be set!"]),
        ("application_log_config: {log_format: {json_format: {a: {b: 'x %v'}, c: 5}}}",
         ["application_log_config.log_format.json_format: Usage of %v is unavailable for JSON log formats"]),
        ("application_log_config: {log_format: {json_format: {a: ['%_']}}}",
         ["application_log_config.log_format.json_format: Usage of %_ is unavailable for JSON log formats"]),
        ("application_log_config: {log_format: {json_format: {a: '%j'}}}", []),
        ("application_log_config: {log_format: {text_format: '%v'}}", []),
        ("bootstrap_extensions: {name: x, typed_config: {'@type': x/envoy.extensions.bootstrap.internal_listener.v3.InternalListener}}", []),
        ("default_regex_engine: {name: x, typed_config: {'@type': x/envoy.extensions.regex_engines.v3.GoogleRE2}}", []),
        ("bootstrap_extensions: {name: x, typed_config: {'@type': x/envoy.extensions.filters.http.router.v3.Router}}",
         ["bootstrap_extensions[0].typed_config: didn't find a registered implementation of envoy.bootstrap for 'x' "
          "with type URL: 'envoy.extensions.filters.http.router.v3.Router'"]),
        ("default_regex_engine: {name: x, typed_config: {'@type': x/envoy.extensions.filters.http.router.v3.Router}}",
         ["default_regex_engine.typed_config: didn't find a registered implementation of envoy.regex_engines for 'x' "
          "with type URL: 'envoy.extensions.filters.http.router.v3.Router'"]),
        ("cluster_manager: {local_cluster_name: ghost}", ["cluster_manager.local_cluster_name: local cluster 'ghost' must be defined"]),
        ("cluster_manager: {local_cluster_name: a}\nstatic_resources: {clusters: {name: a}}", []),
    ],
)  # fmt: skip
def test_parts(text: str, problems: list[str]) -> None:
    assert broken(text) == problems


def two_listeners(first: str, second: str) -> list[str]:
    return broken(f"static_resources: {{listeners: [{first}, {second}]}}")


SOCKET = "address: {socket_address: {address: '%s', port_value: %d}}"


@pytest.mark.parametrize(
    ("first", "second", "address"),
    [
        (f"{{name: l, {SOCKET % ('127.0.0.1', 80)}}}", f"{{name: m, {SOCKET % ('127.0.0.1', 80)}}}", "127.0.0.1:80"),
        (f"{{{SOCKET % ('127.0.0.1', 80)}}}", f"{{{SOCKET % ('127.0.0.1', 80)}}}", "127.0.0.1:80"),
        (f"{{name: l, {SOCKET % ('::1', 80)}}}", f"{{name: m, {SOCKET % ('0:0::1', 80)}}}", "[::1]:80"),
        ("{name: l, address: {pipe: {path: /x}}}", "{name: m, address: {pipe: {path: /x}}}", "/x"),
        (f"{{name: l, {SOCKET % ('127.0.0.1', 80)}}}",
         f"{{name: m, {SOCKET % ('127.0.0.1', 81)}, additional_addresses: {{{SOCKET % ('127.0.0.1', 80)}}}}}", "127.0.0.1:80"),
    ],
)  # fmt: skip
def test_two_listeners_of_one_address(first: str, second: str, address: str) -> None:
    [problem] = two_listeners(first, second)
    assert problem.startswith("static_resources.listeners[1].address: error adding listener: ")
    assert f"has duplicate address '{address}' as existing listener" in problem


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (f"{{name: l, {SOCKET % ('127.0.0.1', 80)}}}", f"{{name: l, {SOCKET % ('127.0.0.1', 80)}}}"),
        (f"{{name: l, {SOCKET % ('127.0.0.1', 80)}}}", f"{{name: m, {SOCKET % ('127.0.0.2', 80)}}}"),
        (f"{{name: l, {SOCKET % ('127.0.0.1', 80)}}}", f"{{name: m, {SOCKET % ('0.0.0.0', 80)}}}"),
        (f"{{name: l, {SOCKET % ('127.0.0.1', 0)}}}", f"{{name: m, {SOCKET % ('127.0.0.1', 0)}}}"),
        ("{name: l}", "{name: m}"),
    ],
)
def test_listeners_that_do_not_meet(first: str, second: str) -> None:
    assert two_listeners(first, second) == []


def listener(filter_config: str) -> str:
    return f"""static_resources:
  clusters: {{name: a}}
  listeners:
    name: l
    filter_chains:
      filters:
        name: f
        typed_config: {filter_config}
"""


def routes(config: str) -> str:
    name = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
    return listener(f'{{"@type": {name}, route_config: {config}}}')


ROUTE_CONFIG = "static_resources.listeners[0].filter_chains[0].filters[0].typed_config.route_config"
HOST = f"{ROUTE_CONFIG}.virtual_hosts[0]"


@pytest.mark.parametrize(
    ("config", "problems"),
    [
        ("{virtual_hosts: {routes: {route: {cluster: a}}}}", []),
        ("{virtual_hosts: {routes: {route: {cluster: ghost}}}}", [f"{HOST}.routes[0].route.cluster: route: unknown cluster 'ghost'"]),
        ("{validate_clusters: false, virtual_hosts: {routes: {route: {cluster: ghost}}}}", []),
        ("{validate_clusters: true, virtual_hosts: {routes: {route: {cluster: a}}}}", []),
        ("{virtual_hosts: {routes: {route: {cluster_header: ghost}}}}", []),
        ("{virtual_hosts: {routes: {redirect: {}}}}", []),
        ("{virtual_hosts: {routes: {route: {weighted_clusters: {clusters: [{name: a}, {name: ghost}, {cluster_header: x}]}}}}}",
         [f"{HOST}.routes[0].route.weighted_clusters.clusters[1].name: route: unknown weighted cluster 'ghost'"]),
        ("{request_mirror_policies: {cluster: ghost}}",
         [f"{ROUTE_CONFIG}.request_mirror_policies[0].cluster: route: unknown shadow cluster 'ghost'"]),
        ("{virtual_hosts: {request_mirror_policies: [{cluster: a}, {cluster: ghost}]}}",
         [f"{HOST}.request_mirror_policies[1].cluster: route: unknown shadow cluster 'ghost'"]),
        ("{virtual_hosts: {routes: {route: {cluster: a, request_mirror_policies: {cluster: ghost}}}}}",
         [f"{HOST}.routes[0].route.request_mirror_policies[0].cluster: route: unknown shadow cluster 'ghost'"]),
        ("{virtual_hosts: {routes: {route: {cluster: a, request_mirror_policies: {cluster_header: x}}}}}", []),
    ],
)  # fmt: skip
def test_clusters_of_static_routes(config: str, problems: list[str]) -> None:
    assert broken(routes(config)) == problems


def test_a_tcp_proxy_may_name_a_cluster_that_comes_later() -> None:
    assert (
        broken(listener('{"@type": type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy, cluster: ghost}'))
        == []
    )


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        (NODE + ADS % "xds" + STATIC, []),
        (ADS % "xds" + STATIC, [f"node: ads: {REQUIRED}"]),
        ("node: {id: x}\n" + ADS % "xds" + STATIC, [f"node: ads: {REQUIRED}"]),
        (NODE + ADS % "ghost" + STATIC,
         ["dynamic_resources.ads_config.grpc_services[0].envoy_grpc.cluster_name: Unknown gRPC client cluster 'ghost'"]),
        (NODE + "dynamic_resources: {ads_config: {api_type: GRPC}}",
         ["dynamic_resources.ads_config: API configs must have either a gRPC service or a cluster name defined"]),
        (NODE + "dynamic_resources: {ads_config: {api_type: DELTA_GRPC, cluster_names: [xds]}}\n" + STATIC,
         ["dynamic_resources.ads_config.cluster_names: a gRPC type must not have a cluster name specified"]),
        (NODE + (ADS % "xds").replace("GRPC", "REST") + STATIC,
         ["dynamic_resources.ads_config.grpc_services: if not a gRPC type, must not have a gRPC service specified"]),
    ],
)  # fmt: skip
def test_the_aggregated_stream(text: str, problems: list[str]) -> None:
    assert broken(text) == problems


CDS = "dynamic_resources: {cds_config: %s}\n"


@pytest.mark.parametrize(
    ("source", "problems"),
    [
        ("{ads: {}}", []),
        ("{path_config_source: {path: /}}", []),
        ("{path_config_source: {path: /nope}}",
         ["dynamic_resources.cds_config.path_config_source.path: "
          "paths must refer to an existing path in the system: '/nope' does not exist"]),
        ("{path: /nope}",
         ["dynamic_resources.cds_config.path: paths must refer to an existing path in the system: '/nope' does not exist"]),
        ("{api_config_source: {api_type: GRPC, grpc_services: {envoy_grpc: {cluster_name: xds}}}}", []),
        ("{api_config_source: {api_type: GRPC, grpc_services: {envoy_grpc: {cluster_name: ghost}}}}",
         [f"dynamic_resources.cds_config.api_config_source.grpc_services[0].envoy_grpc.cluster_name: {GHOST}"]),
        ("{api_config_source: {api_type: GRPC, grpc_services: {google_grpc: {target_uri: a}}}}", []),
        ("{api_config_source: {api_type: REST, cluster_names: xds, refresh_delay: 1s}}", []),
        ("{api_config_source: {api_type: REST, cluster_names: ghost, refresh_delay: 1s}}",
         [f"dynamic_resources.cds_config.api_config_source.cluster_names[0]: {GHOST}"]),
        ("{api_config_source: {api_type: REST, cluster_names: xds}}",
         ["dynamic_resources.cds_config.api_config_source.refresh_delay: refresh_delay is required for REST API configuration sources"]),
    ],
)  # fmt: skip
def test_config_sources(source: str, problems: list[str]) -> None:
    assert broken(NODE + CDS % source + STATIC) == problems


def test_a_server_of_configuration_is_no_eds_cluster() -> None:
    source = "{api_config_source: {api_type: GRPC, grpc_services: {envoy_grpc: {cluster_name: xds}}}}"
    [problem] = broken(NODE + CDS % source + XDS % "EDS")
    assert "'xds' does not exist, was added via api, or is an EDS cluster" in problem


def test_who_asks_for_configuration_must_say_who_it_is() -> None:
    assert broken(CDS % "{ads: {}}") == [f"node: dynamic_resources.cds_config: {REQUIRED}"]
    eds = "static_resources: {clusters: {name: a, type: EDS, eds_cluster_config: {eds_config: {ads: {}}}}}"
    assert broken(eds) == [f"node: static_resources.clusters[0].eds_cluster_config.eds_config: {REQUIRED}"]
    assert broken(NODE + eds) == []
    assert broken("dynamic_resources: {lds_config: {ads: {}}}") == []  # so does Envoy's validation


TLS = """static_resources:
  secrets: {name: mine}
  clusters:
    name: a
    transport_socket:
      name: tls
      typed_config:
        "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext
        common_tls_context: {tls_certificate_sds_secret_configs: %s}
"""
SECRET = "static_resources.clusters[0].transport_socket.typed_config.common_tls_context.tls_certificate_sds_secret_configs[0]"


def test_static_secrets() -> None:
    assert broken(TLS % "{name: mine}") == []
    assert broken(TLS % "{name: ghost}") == [f"{SECRET}.name: Unknown static secret: ghost"]


def test_where_secrets_come_from_may_be_there_later() -> None:
    source = "{api_config_source: {api_type: GRPC, grpc_services: {envoy_grpc: {cluster_name: ghost}}}}"
    assert broken(NODE + TLS % f"{{name: x, sds_config: {source}}}") == []
    assert broken(NODE + TLS % "{name: x, sds_config: {path_config_source: {path: /nope}}}") == [
        f"{SECRET}.sds_config.path_config_source.path: paths must refer to an existing path in the system: '/nope' does not exist"
    ]


def test_errors_of_static_resources_carry_both_of_their_paths() -> None:
    text = "static_resources: {clusters: [{name: a}, {name: b, lb_policy: 99}, {name: a}]}\ndefault_socket_interface: x"
    found = [(str(each.error), str(each.at)) for each in bootstrap_errors(bootstrap(text))]
    assert ("default_socket_interface: is not supported by this version", "default_socket_interface") in found
    assert (
        "Cluster{b}.lb_policy: value must be one of the defined enum values",
        "static_resources.clusters[1].lb_policy",
    ) in found
    assert ("Cluster{a}.name: cluster manager: duplicate cluster 'a'", "static_resources.clusters[2].name") in found


def test_the_source_of_listeners_is_left_to_the_start() -> None:
    text = NODE + "dynamic_resources: {lds_config: {path_config_source: {path: /nope}}}"
    assert list(bootstrap_errors(bootstrap(text))) == []
    assert {str(each.error.at) for each in start_errors(bootstrap(text))} == {
        "dynamic_resources.lds_config.path_config_source.path"
    }


def test_deprecated_fields() -> None:
    found = deprecation_warnings(
        bootstrap("admin: {access_log_path: /dev/null}\nstatic_resources: {clusters: {name: a, http2_protocol_options: {}}}")
    )
    assert [str(warning.at) for warning in found] == [
        "static_resources.clusters[0].http2_protocol_options",
        "admin.access_log_path",
    ]


def test_paths_are_relative_to_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = NODE + CDS % "{path_config_source: {path: cds.yaml}}" + STATIC
    assert len(broken(text)) == 1
    (tmp_path / "cds.yaml").touch()
    assert broken(text) == []


USED = """static_resources:
  secrets: {name: mine, tls_certificate: {certificate_chain: {inline_string: a}, private_key: {inline_string: b}}}
  clusters:
    name: c
    transport_socket:
      name: tls
      typed_config:
        "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext
        common_tls_context: {tls_certificate_sds_secret_configs: {name: %s}}
"""


def test_only_static_secrets_that_something_names_are_looked_into() -> None:
    told = [str(each.error) for each in bootstrap_errors(bootstrap(USED % "mine"))]
    assert any(error.startswith("Secret{mine}.tls_certificate") for error in told)
    told = [str(each.error) for each in bootstrap_errors(bootstrap(USED % "other"))]
    assert not any(error.startswith("Secret{mine}") for error in told)


def test_the_shape_of_a_secret_that_nothing_names_counts() -> None:
    text = "static_resources: {secrets: {name: mine, session_ticket_keys: {keys: []}}}"
    assert all("session_ticket_keys" in str(each.error) for each in bootstrap_errors(bootstrap(text)))
    assert list(bootstrap_errors(bootstrap(text)))
