"""The management API over gRPC: the generated servicer on top of `Operations`, with the token checked and refusals in the status.

Here: gRPC's side.  Not here: what operations do (operations), the port (server).
A refusal travels as `google.rpc.Status` in `grpc-status-details-bin`, with the API's `Refusal` as its detail.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeVar

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import Message
from google.rpc.status_pb2 import Status

from controlplane.admin.operations import Operations
from controlplane.admin.refusal import INTERNAL, UNAUTHENTICATED, Answer, answer_to, refuse
from controlplane.admin.token import Token
from controlplane.api.v1 import management_pb2 as api
from controlplane.api.v1 import management_pb2_grpc as wire

log = logging.getLogger("api")

Request = TypeVar("Request", bound=Message)
Response = TypeVar("Response", bound=Message)
Context = grpc.aio.ServicerContext[Request, Response]
Method = Callable[[Request, Context[Request, Response]], Awaitable[Response]]


def add_management(server: grpc.aio.Server, operations: Operations, token: Token) -> None:
    wire.add_ManagementServicer_to_server(_servicer(operations, token), server)


def _servicer(operations: Operations, token: Token) -> wire.ManagementServicer:
    servicer = wire.ManagementServicer()
    for method in api.DESCRIPTOR.services_by_name["Management"].methods:
        if not method.server_streaming:
            setattr(servicer, method.name, _unary(getattr(operations, _snake(method.name)), token))
    servicer.StreamEvents = _stream(operations, token)
    return servicer


def _unary(operation: Callable[[Request], Awaitable[Response]], token: Token) -> Method[Request, Response]:
    async def call(request: Request, context: Context[Request, Response]) -> Response:
        await _require(token, context)
        try:
            return await operation(request)
        except Exception as error:
            await _abort(context, _answer(error))
            raise AssertionError("abort raises") from error

    return call


def _stream(operations: Operations, token: Token) -> Callable[..., AsyncIterator[api.Event]]:
    async def stream(
        request: api.StreamEventsRequest, context: Context[api.StreamEventsRequest, api.Event]
    ) -> AsyncIterator[api.Event]:
        await _require(token, context)
        with operations.stream_events(request) as events:
            # Sent at once: a caller that has seen it misses nothing that happens from then on.
            await context.send_initial_metadata(())
            async for event in events:
                yield event

    return stream


async def _require(token: Token, context: Context[Request, Response]) -> None:
    metadata = dict(context.invocation_metadata() or ())
    if not token.admits(str(metadata.get("authorization", ""))):
        await _abort(context, refuse(UNAUTHENTICATED, "a bearer token is required"))


def _answer(error: Exception) -> Answer:
    answer = answer_to(error)
    if answer.code is INTERNAL:
        log.error("management call failed", exc_info=error)
    return answer


async def _abort(context: Context[Request, Response], answer: Answer) -> None:
    detail = AnyMessage()
    detail.Pack(answer.message)
    number, _ = answer.code.grpc.value
    status = Status(code=number, message=answer.message.message, details=[detail])
    await context.abort(answer.code.grpc, answer.message.message, (("grpc-status-details-bin", status.SerializeToString()),))


def _snake(name: str) -> str:
    return "".join("_" + letter.lower() if letter.isupper() else letter for letter in name).lstrip("_")
