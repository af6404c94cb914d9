"""Errors of the service as the API tells them: one code for both spellings, with REST's and gRPC's status.

Here: the mapping.  Not here: writing it to a connection (rest, rpc).
"""

from __future__ import annotations

from typing import NamedTuple

import grpc

from controlplane.admin.convert import problem_message
from controlplane.api.json_form import Malformed
from controlplane.api.v1 import management_pb2 as api
from controlplane.base.errors import Conflict, NotFound, Problem, Refused
from controlplane.store.contract import StoreError


class Code(NamedTuple):
    word: str
    http: int
    grpc: grpc.StatusCode


INVALID = Code("invalid", 422, grpc.StatusCode.INVALID_ARGUMENT)
USAGE = Code("usage", 400, grpc.StatusCode.INVALID_ARGUMENT)
UNAUTHENTICATED = Code("unauthenticated", 401, grpc.StatusCode.UNAUTHENTICATED)
FORBIDDEN = Code("forbidden", 403, grpc.StatusCode.PERMISSION_DENIED)
NOT_FOUND = Code("not_found", 404, grpc.StatusCode.NOT_FOUND)
CONFLICT = Code("conflict", 409, grpc.StatusCode.ABORTED)
UNAVAILABLE = Code("unavailable", 503, grpc.StatusCode.UNAVAILABLE)
INTERNAL = Code("internal", 500, grpc.StatusCode.INTERNAL)


class Answer(NamedTuple):
    code: Code
    message: api.Refusal


def refuse(code: Code, text: str, problems: tuple[Problem, ...] = ()) -> Answer:
    return Answer(code, api.Refusal(code=code.word, message=text, problems=map(problem_message, problems)))


def answer_to(error: Exception) -> Answer:
    """What to tell the caller; for an error nobody expected, nothing but that it is ours."""
    match error:
        case Refused():
            return refuse(INVALID, str(error), error.problems)
        case NotFound():
            return refuse(NOT_FOUND, str(error))
        case Conflict():
            return refuse(CONFLICT, str(error))
        case Malformed():
            return refuse(USAGE, str(error))
        case StoreError():
            return refuse(UNAVAILABLE, str(error))
    return refuse(INTERNAL, "internal error; the control plane's log has it")
