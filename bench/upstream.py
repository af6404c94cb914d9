"""The upstream of all proxies: nginx where installed, since it costs least, else a small server of our own; on the load's core."""

from __future__ import annotations

import asyncio
import shutil
import socket
import subprocess
import sys
from pathlib import Path

from bench.cores import LOAD_CORE, pinned

LARGE = 1 << 20
LARGE_PATH = "/service-10/large"
BODY = b"The quick brown fox jumps over a lazy dog.\n"

NGINX_CONFIG = """
daemon off; master_process off; worker_processes 1; pid {directory}/upstream.pid; error_log {directory}/upstream.err;
events {{ worker_connections 4096; }}
http {{
  access_log off; sendfile on; keepalive_requests 1000000000; keepalive_timeout 3600s; server_tokens off;
  client_body_temp_path {directory}/b; proxy_temp_path {directory}/p; fastcgi_temp_path {directory}/f;
  uwsgi_temp_path {directory}/u; scgi_temp_path {directory}/s;
  server {{
    listen 127.0.0.1:{port} backlog=1024{http2}; http2_max_concurrent_streams 1024;
    location = {large_path} {{ default_type text/plain; alias {directory}/large; }}
    location / {{ client_max_body_size 0; default_type text/plain; return 200 "{body}"; }}
  }}
}}
"""

ANSWER = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: %d\r\n\r\n%b" % (len(BODY), BODY)


def free_port() -> int:
    """A port the kernel gives; for programs that cannot be asked what they were given."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def start_upstream(directory: Path, http2: bool = False, role: str = "") -> tuple[subprocess.Popen[bytes], int]:
    """Start it; returns the process and its port.  It answers every request with 43 bytes, but those for LARGE_PATH with a MiB.

    role: of raw_peers, for an upstream that is no HTTP server.
    """
    port = free_port()
    if role:
        return subprocess.Popen([sys.executable, "-m", "bench.raw_peers", role, str(port)], preexec_fn=pinned(LOAD_CORE)), port
    (directory / "large").write_bytes(b"x" * LARGE)
    nginx = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if nginx is not None:
        config = directory / "upstream.conf"
        body = BODY.decode().replace("\n", "\\n")
        config.write_text(
            NGINX_CONFIG.format(directory=directory, port=port, body=body, http2=" http2" if http2 else "", large_path=LARGE_PATH)
        )
        command = [nginx, "-c", str(config), "-e", str(directory / "upstream.err")]
    elif http2:
        raise SystemExit("an upstream that speaks HTTP/2 needs nginx")
    else:
        command = [sys.executable, "-m", "bench.upstream", str(port)]
    return subprocess.Popen(command, preexec_fn=pinned(LOAD_CORE)), port


class _Answer(asyncio.Protocol):
    """Answers each head that ends in what it receives; enough for requests without bodies."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._transport.write(ANSWER * data.count(b"\r\n\r\n"))


async def _serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(_Answer, "127.0.0.1", port, backlog=1024)
    await server.serve_forever()


if __name__ == "__main__":
    import uvloop

    uvloop.run(_serve(int(sys.argv[1])))
