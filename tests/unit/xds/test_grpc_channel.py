from __future__ import annotations

from pathlib import Path

import pytest

from dataplane.base.address import Address, PipeAddress, SocketAddress
from dataplane.base.errors import ConfigError
from dataplane.xds.grpc_channel import Connection, metadata, target_uri
from dataplane.xds.source import EnvoyGrpc, FileMetadata, GoogleGrpc, GrpcService


@pytest.mark.parametrize(
    ("address", "uri"),
    [
        (SocketAddress("127.0.0.1", 80), "ipv4:127.0.0.1:80"),
        (SocketAddress("::1", 80), "ipv6:[::1]:80"),
        (SocketAddress("cp.test", 80), "dns:///cp.test:80"),
        (PipeAddress("./etc/XDS"), "unix:./etc/XDS"),
        (PipeAddress("/run/xds"), "unix:/run/xds"),
        (PipeAddress("@xds"), "unix-abstract:xds"),
    ],
    ids=str,
)
def test_addresses_in_the_syntax_of_grpc(address: Address, uri: str) -> None:
    assert target_uri(address) == uri


def test_endpoints_take_turns() -> None:
    endpoints = tuple(SocketAddress("127.0.0.1", port) for port in (1, 2, 3))
    service = GrpcService(EnvoyGrpc("xds", endpoints))
    assert [Connection(service, attempt).peer[-1] for attempt in range(5)] == ["1", "2", "3", "1", "2"]


def test_a_google_target_is_its_own_endpoint() -> None:
    assert Connection(GrpcService(GoogleGrpc("dns:///cp.test:443")), 7).peer == "dns:///cp.test:443"


def test_a_cluster_without_endpoints_is_refused() -> None:
    with pytest.raises(ConfigError, match="cluster 'xds' has no endpoints"):
        Connection(GrpcService(EnvoyGrpc("xds", ())), 0)


def test_headers_from_files_follow_the_configured_ones(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("secret\n")
    files = (FileMetadata(str(token)), FileMetadata(str(token), "X-Token", "Bearer "))
    service = GrpcService(GoogleGrpc("t"), (("x-id", ""),), files)
    assert metadata(service) == (("x-id", ""), ("authorization", "secret"), ("x-token", "Bearer secret"))


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_bytes(b"\xff")
    with pytest.raises(ConfigError, match=r"call_credentials: .*token: 'utf-8'"):
        metadata(GrpcService(GoogleGrpc("t"), file_metadata=(FileMetadata(str(token)),)))
