"""A small HTTP server to route to: answers every request with the version it was started as.

python examples/demo/upstream.py --name v1 --port 9001
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal

from aiohttp import web


def application(version: str) -> web.Application:
    async def answer(request: web.Request) -> web.Response:
        body = {"version": version, "method": request.method, "path": request.path}
        return web.Response(text=json.dumps(body) + "\n", content_type="application/json", headers={"x-version": version})

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    return app


async def start(version: str, host: str, port: int) -> tuple[web.AppRunner, int]:
    """Serve until the runner is cleaned up.  Returns it and the port; 0 lets the kernel choose."""
    runner = web.AppRunner(application(version), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, host, port).start()
    return runner, int(runner.addresses[0][1])


async def main(version: str, address: str, port: int) -> None:
    runner, bound = await start(version, address, port)
    print(f"{version} listens on {address}:{bound}", flush=True)
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await stop.wait()
    await runner.cleanup()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--name", default="v1", help="what answers say")
    parser.add_argument("--address", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=9001)
    arguments = parser.parse_args()
    asyncio.run(main(arguments.name, arguments.address, arguments.port))
