"""What another machine will use is not looked up on this one."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.message import Message

from dataplane.bootstrap.resources import ParsedResource
from dataplane.compile.elsewhere import elsewhere, is_elsewhere
from dataplane.validation import check_resources, resource_from_message
from tests.support.compiling import message, virtual_host

FILE_LOG = {
    "name": "file",
    "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog",
        "path": "/no/such/directory/access.log",
    },
}


def route_configuration(body: dict[str, str], **fields: Any) -> ParsedResource:
    route = {"match": {"prefix": "/"}, "direct_response": {"status": 200, "body": body}}
    return _parsed("envoy.config.route.v3.RouteConfiguration", {"name": "r", "virtual_hosts": [virtual_host(route, **fields)]})


def listener(manager: dict[str, Any]) -> ParsedResource:
    config = {
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "test",
        "http_filters": [
            {"name": "router", "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"}}
        ],
        **manager,
    }
    content = {
        "name": "l",
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}},
        "filter_chains": [{"filters": [{"name": "http", "typed_config": config}]}],
    }
    return _parsed("envoy.config.listener.v3.Listener", content)


def _parsed(full_name: str, content: dict[str, Any]) -> ParsedResource:
    made: Message = message(full_name, content)
    return resource_from_message(made)


def reasons(resource: ParsedResource, *, local: bool) -> list[str]:
    return [problem.reason for problem in check_resources([resource], local=local)]


def test_a_file_that_is_not_here_may_be_there(tmp_path: Path) -> None:
    resource = route_configuration({"filename": str(tmp_path / "body")})
    assert reasons(resource, local=True) == [f"file {tmp_path / 'body'} does not exist"]
    assert reasons(resource, local=False) == []


def test_an_environment_variable_is_another_process_s() -> None:
    resource = route_configuration({"environment_variable": "NO_SUCH_VARIABLE_OF_POINTSMAN"})
    assert reasons(resource, local=True) == ["Environment variable doesn't exist: NO_SUCH_VARIABLE_OF_POINTSMAN"]
    assert reasons(resource, local=False) == []


@pytest.mark.timeout(10)
def test_a_pipe_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert reasons(route_configuration({"filename": str(tmp_path / "pipe")}), local=False) == []


def test_watched_paths_and_log_directories_are_not_looked_for() -> None:
    routes = {"virtual_hosts": [virtual_host({"match": {"prefix": "/"}, "redirect": {}})]}
    watched = listener({"rds": {"route_config_name": "r", "config_source": {"path_config_source": {"path": "/no/such/file"}}}})
    logged = listener({"route_config": routes, "access_log": [FILE_LOG]})
    for resource in (watched, logged):
        assert len(reasons(resource, local=True)) == 1
        assert reasons(resource, local=False) == []


def test_certificates_and_authorities_are_the_proxy_s() -> None:
    files = {"certificate_chain": {"filename": "/no/such/chain"}, "private_key": {"filename": "/no/such/key"}}
    context = {
        "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
        "common_tls_context": {
            "tls_certificates": [files],
            "validation_context": {"trusted_ca": {"environment_variable": "NO_SUCH_VARIABLE_OF_POINTSMAN"}},
        },
    }
    cluster = _parsed(
        "envoy.config.cluster.v3.Cluster", {"name": "c", "transport_socket": {"name": "t", "typed_config": context}}
    )
    secret = _parsed("envoy.extensions.transport_sockets.tls.v3.Secret", {"name": "s", "tls_certificate": files})
    for resource in (cluster, secret):
        assert reasons(resource, local=True)
        assert reasons(resource, local=False) == []


def test_what_is_wrong_beside_is_still_told() -> None:
    resource = route_configuration({"filename": "/no/such/file"}, request_headers_to_remove=["host"])
    told = reasons(resource, local=False)
    assert len(told) == 1
    assert "host" in told[0]


def test_the_block_ends() -> None:
    with elsewhere():
        assert is_elsewhere()
    assert not is_elsewhere()
