"""The stats tags that Envoy knows by name, so that a bootstrap may name them without a regex.

Those for which observe.names has a rule are extracted; the others belong to statistics that this version does not have: naming one is right and
changes nothing.  The list was tried out against Envoy 1.40.  Envoy: config/well_known_names.cc.
"""

from __future__ import annotations

DEFAULT_TAGS = frozenset(
    f"envoy.{name}"
    for name in (
        *(
            "cluster_name",
            "listener_address",
            "http_conn_manager_prefix",
            "http_user_agent",
            "ssl_cipher",
            "ssl_curve",
            "ssl_sigalg",
        ),
        *("ssl_version", "dynamo_operation", "dynamo_table", "dynamo_partition_id", "grpc_bridge_service"),
        *(
            "grpc_bridge_method",
            "virtual_host",
            "virtual_cluster",
            "route",
            "tcp_prefix",
            "udp_prefix",
            "fault_downstream_cluster",
        ),
        *("rds_route_config", "scoped_rds_config", "clientssl_prefix", "mongo_prefix", "mongo_cmd", "mongo_collection"),
        *("mongo_callsite", "ratelimit_prefix", "local_http_ratelimit_prefix", "local_network_ratelimit_prefix", "redis_prefix"),
        *("local_listener_ratelimit_prefix", "dns_filter_prefix", "connection_limit_prefix", "rbac_prefix", "rbac_http_prefix"),
        *("rbac_policy_name", "response_code", "response_code_class", "health_check_name", "worker_id"),
        *("thrift_prefix", "google_grpc_client_prefix", "ext_authz_prefix", "proxy_protocol_version", "proxy_protocol_prefix"),
        *("xds_resource_name", "tls_certificate"),
    )
)
