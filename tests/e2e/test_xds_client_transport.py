"""How the xDS client reaches its server: TCP, Unix sockets, TLS, gRPC targets, headers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import grpc
import pytest
import uvloop

from dataplane.api.transport_socket import DialledProtocol, Layer
from dataplane.base.address import Address, PipeAddress, SocketAddress
from dataplane.base.errors import FieldPath
from dataplane.compile.context import CompileContext
from dataplane.extensions.transport_sockets.tls import compile_upstream
from dataplane.observe.stats import StatsStore
from dataplane.snapshot.cluster import TcpKeepalive
from dataplane.xds.source import ApiSource, EnvoyGrpc, FileMetadata, GoogleGrpc, GrpcService, Tls
from dataplane.xds.subscription import WILDCARD
from dataplane.xds.types import CLUSTER
from tests.support.certificates import Authority, KeyPair
from tests.support.compiling import message
from tests.support.management_server import ManagementServer, Stream
from tests.support.tls_config import pem
from tests.support.waiting import wait_until_async
from tests.support.xds_decoder import body
from tests.support.xds_recorder import Recorder

pytestmark = pytest.mark.e2e

Secure = Callable[[DialledProtocol], Layer | None]
ServiceFor = Callable[[ManagementServer], GrpcService]


def reach(
    service_for: ServiceFor,
    address: str = "127.0.0.1:0",
    credentials: grpc.ServerCredentials | None = None,
    run: Callable[[Coroutine[None, None, Stream]], Stream] = asyncio.run,
) -> Stream:
    """Get one cluster through a server at *address*; returns the server's end."""

    async def scenario() -> Stream:
        async with ManagementServer(address, credentials) as server:
            recorder = Recorder(ApiSource(service_for(server)))
            recorder.subscribe(CLUSTER, WILDCARD)
            async with recorder:
                stream = await server.accept()
                await stream.receive()
                await stream.send_delta(CLUSTER, "n1", {"a": ("1", body("a", "x"))})
                await recorder.has(CLUSTER, {"a": "x"})
                return stream

    return run(scenario())


def failure(service_for: ServiceFor, credentials: grpc.ServerCredentials | None = None) -> str:
    """Why the first try to reach a server failed."""

    async def scenario() -> str:
        async with ManagementServer(credentials=credentials) as server:
            recorder = Recorder(ApiSource(service_for(server)))
            recorder.subscribe(CLUSTER, WILDCARD)
            async with recorder:
                return await wait_until_async(lambda: recorder.status(CLUSTER).last_error, "a failure")

    return asyncio.run(scenario())


def cluster(secure: Secure | None = None, address: Address | None = None) -> ServiceFor:
    def service(server: ManagementServer) -> GrpcService:
        return GrpcService(EnvoyGrpc("xds-grpc", (address or SocketAddress("127.0.0.1", server.port),), secure=secure))

    return service


def tls(authority: bytes = b"", client: KeyPair | None = None, names: tuple[str, ...] = ()) -> Secure:
    """A cluster's transport socket.  names: one has to be in the server's certificate."""
    matchers = [
        {"san_type": "URI" if "://" in name else "IP_ADDRESS" if name[0].isdigit() else "DNS", "matcher": {"exact": name}}
        for name in names
    ]
    common: dict[str, Any] = {}
    if authority:
        common["validation_context"] = {"trusted_ca": pem(authority), "match_typed_subject_alt_names": matchers}
    if client is not None:
        common["tls_certificates"] = [{"certificate_chain": pem(client.certificate), "private_key": pem(client.private_key)}]
    config = message("envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext", {"common_tls_context": common})
    socket = compile_upstream(config, FieldPath(), CompileContext())
    scope = StatsStore().scope("")
    return lambda above: socket.dial(above, "", ("h2",), {}, scope)


def server_credentials(pair: KeyPair, client_authority: Authority | None = None) -> grpc.ServerCredentials:
    return grpc.ssl_server_credentials(
        [(pair.private_key, pair.certificate)],
        client_authority.certificate if client_authority else None,
        require_client_auth=client_authority is not None,
    )


class TestAddresses:
    def test_an_ipv6_address(self) -> None:
        reach(lambda server: GrpcService(EnvoyGrpc("xds", (SocketAddress("::1", server.port),))), "[::1]:0")

    def test_a_host_name(self) -> None:
        reach(lambda server: GrpcService(EnvoyGrpc("xds", (SocketAddress("localhost", server.port),))))

    def test_a_unix_socket(self, tmp_path: Path) -> None:
        reach(cluster(address=PipeAddress(f"{tmp_path}/xds")), f"unix:{tmp_path}/xds")

    def test_a_unix_socket_relative_to_the_working_directory(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        reach(cluster(address=PipeAddress("./xds")), f"unix:{tmp_path}/xds")

    def test_an_abstract_unix_socket(self, tmp_path: Path) -> None:
        name = str(tmp_path).replace("/", "-")
        reach(cluster(address=PipeAddress(f"@{name}")), f"unix-abstract:{name}")


def test_a_connection_with_tcp_keepalive() -> None:
    def service(server: ManagementServer) -> GrpcService:
        address = SocketAddress("127.0.0.1", server.port)
        return GrpcService(EnvoyGrpc("xds", (address,), tcp_keepalive=TcpKeepalive(time=300)))

    reach(service)


class TestHeaders:
    def test_initial_metadata_may_be_empty_text(self) -> None:
        def service(server: ManagementServer) -> GrpcService:
            target = EnvoyGrpc("xds", (SocketAddress("127.0.0.1", server.port),))
            return GrpcService(target, (("x-consul-token", ""), ("authorization", "Bearer t")))

        metadata = reach(service).metadata
        assert (metadata["x-consul-token"], metadata["authorization"]) == ("", "Bearer t")

    def test_a_token_file_is_read_for_each_stream(self, tmp_path: Path) -> None:
        token = tmp_path / "token"
        token.write_text("first\n")

        async def scenario() -> None:
            async with ManagementServer() as server:
                target = GoogleGrpc(f"127.0.0.1:{server.port}")
                service = GrpcService(target, file_metadata=(FileMetadata(str(token), header_prefix="Bearer "),))
                recorder = Recorder(ApiSource(service))
                recorder.subscribe(CLUSTER, WILDCARD)
                async with recorder:
                    stream = await server.accept()
                    assert stream.metadata["authorization"] == "Bearer first"
                    token.write_text("second")
                    stream.close()
                    assert (await server.accept()).metadata["authorization"] == "Bearer second"

        asyncio.run(scenario())

    def test_a_token_file_that_is_missing_is_a_failure_that_is_told(self, tmp_path: Path) -> None:
        path = str(tmp_path / "none")
        reason = failure(lambda server: GrpcService(GoogleGrpc(f"127.0.0.1:{server.port}"), file_metadata=(FileMetadata(path),)))
        assert f"{path}: [Errno 2]" in reason


class TestTls:
    """By the rules of a cluster's UpstreamTlsContext."""

    def test_the_server_s_authority_is_enough(self) -> None:
        authority = Authority()
        reach(cluster(tls(authority.certificate)), credentials=server_credentials(authority.sign("whoever.test")))

    def test_without_an_authority_nothing_is_verified(self) -> None:
        reach(cluster(tls()), credentials=server_credentials(Authority().sign("whoever.test")))

    @pytest.mark.parametrize("name", ["cp.test", "127.0.0.1", "spiffe://mesh/cp"])
    def test_one_of_the_names_has_to_be_in_the_certificate(self, name: str) -> None:
        authority = Authority()
        secure = tls(authority.certificate, names=("other.test", name))
        reach(cluster(secure), credentials=server_credentials(authority.sign("whoever.test", name)))

    def test_a_certificate_with_none_of_the_names_is_refused(self) -> None:
        authority = Authority()
        secure = tls(authority.certificate, names=("cp.test",))
        reason = failure(cluster(secure), server_credentials(authority.sign("evil.test")))
        assert "verify cert failed: SAN matcher, certificate SANs are [evil.test]" in reason

    def test_a_server_of_another_authority_is_refused(self) -> None:
        reason = failure(cluster(tls(Authority().certificate)), server_credentials(Authority("other").sign("cp.test")))
        assert "OPENSSL_internal:CERTIFICATE_VERIFY_FAILED:verify cert failed" in reason

    def test_a_client_certificate(self) -> None:
        authority = Authority()
        client = authority.sign("proxy.test")
        reach(cluster(tls(authority.certificate, client)), credentials=server_credentials(authority.sign("cp.test"), authority))

    def test_a_missing_client_certificate_is_refused(self) -> None:
        authority = Authority()
        reason = failure(cluster(tls(authority.certificate)), server_credentials(authority.sign("cp.test"), authority))
        assert reason.startswith("UNAVAILABLE")

    def test_over_a_unix_socket(self, tmp_path: Path) -> None:
        authority = Authority()
        service = cluster(tls(authority.certificate), address=PipeAddress(f"{tmp_path}/xds"))
        reach(service, f"unix:{tmp_path}/xds", server_credentials(authority.sign("cp.test")))

    def test_in_the_event_loop_of_the_proxy(self) -> None:
        authority = Authority()
        reach(cluster(tls(authority.certificate)), credentials=server_credentials(authority.sign("cp.test")), run=uvloop.run)

    def test_a_server_that_does_not_speak_tls_is_refused(self) -> None:
        assert failure(cluster(tls())).startswith("UNAVAILABLE: TLS_error:")

    def test_a_secret_that_is_missing_is_told_of(self) -> None:
        assert "Secret is not supplied by SDS" in failure(cluster(lambda above: None))


class TestGoogleGrpc:
    def test_a_plain_target(self) -> None:
        reach(lambda server: GrpcService(GoogleGrpc(f"dns:///127.0.0.1:{server.port}")))

    def test_channel_arguments_are_passed_on(self) -> None:
        arguments = (("grpc.primary_user_agent", "pointsman"), ("grpc.keepalive_time_ms", 10_000))
        stream = reach(lambda server: GrpcService(GoogleGrpc(f"127.0.0.1:{server.port}", channel_args=arguments)))
        assert stream.metadata["user-agent"].startswith("pointsman ")

    def test_tls(self) -> None:
        authority = Authority()
        reach(
            lambda server: GrpcService(GoogleGrpc(f"127.0.0.1:{server.port}", Tls(authority.certificate, server_name="cp.test"))),
            credentials=server_credentials(authority.sign("cp.test")),
        )

    def test_local_credentials_over_tcp(self) -> None:
        reach(
            lambda server: GrpcService(GoogleGrpc(f"127.0.0.1:{server.port}", local=True)),
            credentials=grpc.local_server_credentials(grpc.LocalConnectionType.LOCAL_TCP),
        )

    def test_local_credentials_over_a_unix_socket(self, tmp_path: Path) -> None:
        reach(
            lambda _: GrpcService(GoogleGrpc(f"unix:{tmp_path}/xds", local=True)),
            f"unix:{tmp_path}/xds",
            grpc.local_server_credentials(grpc.LocalConnectionType.UDS),
        )
