"""A real nginx as upstream, started on a configuration and a port of its own."""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support import child_process
from tests.support.waiting import PATIENCE, wait_until

_CONFIG = """
{user}
daemon off;
worker_processes 1;
pid {directory}/nginx.pid;
error_log {directory}/error.log;
events {{ worker_connections 1024; }}
http {{
  access_log off;
  client_body_temp_path {directory}/body; proxy_temp_path {directory}/proxy; fastcgi_temp_path {directory}/fastcgi;
  uwsgi_temp_path {directory}/uwsgi; scgi_temp_path {directory}/scgi;
  client_max_body_size 64m;
  {http}
  server {{
    listen 127.0.0.1:{port} {listen};
    root {directory}/www;
    {server}
  }}
}}
"""


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


@contextmanager
def nginx(directory: Path, server: str = "", http: str = "", listen: str = "") -> Iterator[int]:
    """A running nginx; yields its port.  server, http: more directives for those blocks; listen: words of that one.

    Files below `directory/www` are served.
    """
    program = shutil.which("nginx")
    if program is None:
        pytest.skip("no nginx on this machine")
    (directory / "www").mkdir(exist_ok=True)
    port = _free_port()
    config = directory / "nginx.conf"
    user = f"user {getpass.getuser()};" if os.geteuid() == 0 else ""  # or its workers cannot read what the test wrote
    config.write_text(_CONFIG.format(user=user, directory=directory, port=port, server=server, http=http, listen=listen))
    process = child_process.start([program, "-p", str(directory), "-c", str(config)], stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: _accepts(port), "nginx accepts")
        yield port
    finally:
        process.terminate()
        process.wait(PATIENCE)


def _accepts(port: int) -> bool:
    with socket.create_connection(("127.0.0.1", port), 1):
        return True
