"""A gRPC server and client that know no schema: messages are bytes.  Peers for tests of a proxy between them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import grpc

from tests.support.waiting import PATIENCE

SERVICE: Final = "/test.Echo/"
GREETING: Final = ("x-greeting", "hello")
FAREWELL: Final = ("x-farewell-bin", b"\x00bye")
_ANY_SIZE: Final = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
_OWN_PORT: Final = ("grpc.so_reuseport", 0)


def _said(context: Any, name: str) -> str:
    return str(dict(context.invocation_metadata()).get(name, ""))


class EchoServer:
    """Every kind of call; `cancelled` is set when a client gives up the call that never ends."""

    def __init__(self) -> None:
        self.cancelled = threading.Event()
        self.waiting = threading.Event()
        self.peers: set[str] = set()  # one entry for each connection that carried a call
        self._server = grpc.server(ThreadPoolExecutor(16), options=[*_ANY_SIZE, _OWN_PORT])
        self._server.add_generic_rpc_handlers((_Handlers(self),))
        self.port = self._server.add_insecure_port("127.0.0.1:0")

    def __enter__(self) -> EchoServer:
        self._server.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._server.stop(None).wait()

    # the methods

    def unary(self, request: bytes, context: Any) -> bytes:
        self.peers.add(context.peer())
        context.send_initial_metadata((GREETING,))
        context.set_trailing_metadata((FAREWELL, ("x-said", _said(context, "x-say"))))
        return request

    def fail(self, request: bytes, context: Any) -> bytes:
        context.abort(grpc.StatusCode.FAILED_PRECONDITION, "not “ready” yet")

    def count(self, request: bytes, context: Any) -> Iterator[bytes]:
        for number in range(int(request)):
            yield b"%d" % number

    def total(self, requests: Iterator[bytes], context: Any) -> bytes:
        return b"%d" % sum(len(request) for request in requests)

    def chat(self, requests: Iterator[bytes], context: Any) -> Iterator[bytes]:
        for request in requests:
            yield request[::-1]

    def never(self, request: bytes, context: Any) -> bytes:
        context.add_callback(self.cancelled.set)
        self.waiting.set()
        self.cancelled.wait(PATIENCE)
        return b""


class _Handlers(grpc.GenericRpcHandler):
    def __init__(self, server: EchoServer) -> None:
        self._methods = {
            "Unary": grpc.unary_unary_rpc_method_handler(server.unary),
            "Fail": grpc.unary_unary_rpc_method_handler(server.fail),
            "Count": grpc.unary_stream_rpc_method_handler(server.count),
            "Total": grpc.stream_unary_rpc_method_handler(server.total),
            "Chat": grpc.stream_stream_rpc_method_handler(server.chat),
            "Never": grpc.unary_unary_rpc_method_handler(server.never),
        }

    def service(self, details: Any) -> Any:
        return self._methods.get(details.method.removeprefix(SERVICE))


class EchoClient:
    """Calls of an EchoServer, maybe through a proxy."""

    def __init__(self, port: int) -> None:
        options = [*_ANY_SIZE, ("grpc.enable_retries", 0)]
        self.channel = grpc.insecure_channel(f"127.0.0.1:{port}", options)
        self.unary = self.channel.unary_unary(SERVICE + "Unary")
        self.fail = self.channel.unary_unary(SERVICE + "Fail")
        self.count = self.channel.unary_stream(SERVICE + "Count")
        self.total = self.channel.stream_unary(SERVICE + "Total")
        self.chat = self.channel.stream_stream(SERVICE + "Chat")
        self.never = self.channel.unary_unary(SERVICE + "Never")

    def __enter__(self) -> EchoClient:
        return self

    def __exit__(self, *exception: object) -> None:
        self.channel.close()
