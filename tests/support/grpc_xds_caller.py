"""A gRPC client that finds its servers through xDS; run as a program, so that gRPC reads GRPC_XDS_BOOTSTRAP afresh.

Calls the method for every line on standard input, and prints each answer (or `error: CODE`) as a line.
"""

from __future__ import annotations

import sys

import grpc

METHOD = "/test.Echo/Say"
CALL_TIMEOUT = 20.0


def main(target: str) -> None:
    with grpc.insecure_channel(target) as channel:
        say = channel.unary_unary(METHOD)
        for line in sys.stdin:
            try:
                answer = say(line.strip().encode(), timeout=CALL_TIMEOUT, wait_for_ready=True).decode()
            except grpc.RpcError as error:
                answer = f"error: {error.code().name}"
            print(answer, flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
