"""Where resources come from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dataplane.base.errors import ConfigError, FieldPath
from dataplane.compile.config_source import compile_api_config_source, compile_config_source
from dataplane.snapshot.config_source import (
    ADS,
    ApiConfigSource,
    ConfigSource,
    EnvoyGrpc,
    FileMetadata,
    GoogleGrpc,
    GrpcService,
    PathConfigSource,
    TlsCredentials,
)
from tests.support.compiling import message

AT = FieldPath("Test")


def source(**fields: Any) -> ConfigSource:
    return compile_config_source(message("envoy.config.core.v3.ConfigSource", fields), AT)


def api(*services: dict[str, Any], **fields: Any) -> ApiConfigSource:
    content = {"api_type": "GRPC", "transport_api_version": "V3", "grpc_services": list(services), **fields}
    return compile_api_config_source(message("envoy.config.core.v3.ApiConfigSource", content), AT)


def test_the_aggregated_stream() -> None:
    assert source(ads={}) == ConfigSource(ADS, 15.0)
    assert source(ads={}, initial_fetch_timeout="0s").initial_fetch_timeout == 0


def test_files(tmp_path: Path) -> None:
    path = str(tmp_path)
    assert source(path=path).specifier == PathConfigSource(path)
    watched = {"path": path, "watched_directory": {"path": "/w"}}
    assert source(path_config_source=watched).specifier == PathConfigSource(path, "/w")


def test_a_management_server_behind_a_cluster() -> None:
    service = {
        "envoy_grpc": {
            "cluster_name": "x",
            "authority": "a",
            "retry_policy": {"retry_back_off": {"base_interval": "1s"}},
            "max_receive_message_length": 5,
        },
        "timeout": "2s",
        "initial_metadata": [{"key": "X-Token", "value": "v"}],
    }
    expected = GrpcService(EnvoyGrpc("x", "a", 5), 2.0, (("x-token", "v"),), (1.0, 10.0))
    assert api(service) == ApiConfigSource(expected)
    assert source(api_config_source={"api_type": "DELTA_GRPC", "grpc_services": [service]}).specifier == ApiConfigSource(
        expected, delta=True
    )
    assert api(service, api_type="AGGREGATED_DELTA_GRPC", set_node_on_first_message_only=True) == ApiConfigSource(
        expected, delta=True, aggregated=True, set_node_on_first_message_only=True
    )


def test_a_management_server_by_its_own_name() -> None:
    plugin = {
        "name": "envoy.grpc_credentials.file_based_metadata",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.config.grpc_credential.v3.FileBasedMetadataConfig",
            "secret_data": {"filename": "/token"},
            "header_prefix": "Bearer ",
        },
    }
    service = {
        "google_grpc": {
            "target_uri": "dns:///x:1",
            "stat_prefix": "s",
            "channel_credentials": {"ssl_credentials": {"root_certs": {"inline_string": "pem"}}},
            "call_credentials": [{"from_plugin": plugin}],
            "channel_args": {"args": {"grpc.b": {"int_value": 1}, "grpc.a": {"string_value": "x"}}},
        }
    }
    assert api(service).grpc_service.target == GoogleGrpc(
        "dns:///x:1",
        "s",
        TlsCredentials(b"pem"),
        file_metadata=(FileMetadata("/token", header_prefix="Bearer "),),
        channel_args=(("grpc.a", "x"), ("grpc.b", 1)),
    )
    local = api({"google_grpc": {"target_uri": "x", "stat_prefix": "s", "channel_credentials": {"local_credentials": {}}}})
    assert local.grpc_service.target == GoogleGrpc("x", "s", local=True)


ENVOY = {"envoy_grpc": {"cluster_name": "x"}}


@pytest.mark.parametrize(
    ("services", "fields", "text"),
    [
        ([ENVOY], {"transport_api_version": "V2"}, "transport_api_version: V2 xDS transport protocol version is deprecated"),
        ([ENVOY], {"cluster_names": ["x"]}, "cluster_names: (AGGREGATED_)(DELTA_)GRPC must not have a cluster name specified"),
        ([], {}, "grpc_services: must have a single gRPC service specified"),
        ([ENVOY, ENVOY], {}, "grpc_services: must have a single gRPC service specified"),
        ([{}], {}, "grpc_services[0].target_specifier: is required"),
        (
            [
                {
                    "envoy_grpc": {
                        "cluster_name": "x",
                        "retry_policy": {"retry_back_off": {"base_interval": "2s", "max_interval": "1s"}},
                    }
                }
            ],
            {},
            "max_interval must be greater than or equal to the base_interval",
        ),
        (
            [{"google_grpc": {"call_credentials": [{"access_token": "x"}]}}],
            {},
            "call_credentials[0]: only from_plugin is supported",
        ),
        (
            [{"google_grpc": {"call_credentials": [{"from_plugin": {"name": "x"}}]}}],
            {},
            "from_plugin.typed_config: type '' is not supported",
        ),
    ],
)
def test_bad_servers(services: list[dict[str, Any]], fields: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        api(*services, **fields)
    assert text in str(caught.value)


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({}, "Missing config source specifier"),
        ({"self": {}}, "self: not supported"),
        ({"path": "/no/such"}, "path: paths must refer to an existing path in the system: '/no/such' does not exist"),
    ],
)
def test_bad_sources(fields: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        source(**fields)
    assert text in str(caught.value)
