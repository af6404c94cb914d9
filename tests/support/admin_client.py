"""A proxy's admin endpoint as the tests use it: plain text, JSON, listener addresses, statistics."""

from __future__ import annotations

import http.client
import json
from dataclasses import dataclass
from typing import Any

from tests.support.waiting import PATIENCE


@dataclass(frozen=True, slots=True)
class AdminReply:
    """One answer of the admin endpoint, with its headers in lower case."""

    status: int
    body: str
    headers: dict[str, str]


@dataclass(frozen=True, slots=True)
class AdminClient:
    """Asks one admin endpoint; every call is a connection of its own, so nothing is left open."""

    host: str
    port: int
    timeout: float = PATIENCE

    def request(self, path: str, method: str = "GET") -> AdminReply:
        connection = http.client.HTTPConnection(self.host, self.port, timeout=self.timeout)
        try:
            connection.request(method, path)
            response = connection.getresponse()
            body = response.read().decode()
            headers = {name.lower(): value for name, value in response.getheaders()}
        finally:
            connection.close()
        return AdminReply(response.status, body, headers)

    def get(self, path: str) -> str:
        return self.request(path).body

    def get_json(self, path: str) -> Any:
        return json.loads(self.get(path))

    def ready(self) -> bool:
        return self.request("/ready").status == 200

    def stats(self, pattern: str = "") -> dict[str, int]:
        """Counters and gauges by name, those not touched yet included; *pattern* is a regular expression over names."""
        query = f"?filter={pattern}" if pattern else ""
        found: dict[str, int] = {}
        for line in self.get(f"/stats{query}").splitlines():
            name, separator, value = line.rpartition(": ")
            if separator and value.isdigit():
                found[name] = int(value)
        return found

    def listener_ports(self) -> dict[str, int]:
        """Port by listener name, as bound: the way to learn what the kernel gave for port 0."""
        ports: dict[str, int] = {}
        for line in self.get("/listeners").splitlines():
            name, separator, address = line.partition("::")
            port = address.rpartition(":")[2]
            if separator and port.isdigit():
                ports.setdefault(name, int(port))
        return ports
