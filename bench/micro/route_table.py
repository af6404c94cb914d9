"""What finding a route costs: `python -m bench.micro.route_table` prints nanoseconds per look-up.

The small table is the mix of the house's benchmark (20 routes: prefixes, exact paths, regexes, a catch-all); the large ones show that the
cost does not grow with the number of routes.
"""

from __future__ import annotations

import json
import time
import timeit
from typing import Any

from dataplane.base.errors import FieldPath
from dataplane.bootstrap.text import parse_text
from dataplane.compile.context import CompileContext
from dataplane.compile.from_tree import Conversion, fill
from dataplane.compile.message_types import message_class
from dataplane.compile.route_config import compile_route_configuration
from dataplane.compile.tree import Value
from dataplane.routing.route import RouteConfiguration
from dataplane.routing.table import find_route, first_match
from dataplane.semantics.header_map import RequestHeaders

_FIELDS = [(b"user-agent", b"bench"), (b"accept", b"*/*"), (b"x-request-id", b"0"), (b"x-forwarded-proto", b"http")] * 2


def table(prefixes: int, paths: int, regexes: int, domains: int = 0) -> RouteConfiguration:
    """A virtual host for everything with that many routes of each kind, and *domains* more hosts."""
    routes = [{"match": {"prefix": f"/api/v{number}/svc"}} for number in range(prefixes)]
    routes += [{"match": {"path": f"/exact/path/{number}"}} for number in range(paths)]
    routes += [{"match": {"safe_regex": {"regex": f"/users/[0-9]+/item{number}(/.*)?"}}} for number in range(regexes)]
    routes.append({"match": {"prefix": "/"}})
    hosts: list[dict[str, Any]] = [{"name": f"h{number}", "domains": [f"h{number}.example"]} for number in range(domains)]
    hosts.append({"name": "all", "domains": ["*"], "routes": [{**route, "route": {"cluster": "c"}} for route in routes]})
    found = message_class("envoy.config.route.v3.RouteConfiguration")
    assert found is not None
    message, run, context = found(), Conversion(), CompileContext()
    fill(message, _tree({"name": "bench", "virtual_hosts": hosts}), FieldPath(), run)
    compiled = compile_route_configuration(message, FieldPath("RouteConfiguration", "bench"), context)
    assert not run.problems.errors
    assert not context.problems.errors
    return compiled


def _tree(content: dict[str, Any]) -> Value:
    return parse_text(json.dumps(content).encode(), "bench.json")


def nanoseconds(config: RouteConfiguration, path: bytes, scan: bool = False) -> float:
    """CPU time, the best of five runs.  scan: without the index."""
    headers = RequestHeaders(b"GET", path, b"www.example", fields=list(_FIELDS))
    routes = config.virtual_hosts[-1].routes

    def look_up() -> object:
        return first_match(routes, headers, path, b"", 7) if scan else find_route(config, headers, 7)

    count = 2_000 if scan else 50_000
    return min(timeit.repeat(look_up, timer=time.process_time, number=count, repeat=5)) / count * 1e9


def main() -> None:
    small = table(7, 6, 6)
    for path in (b"/api/v3/svc/abc", b"/exact/path/3", b"/users/12/item0", b"/users/12/item5/x", b"/other?x=1"):
        print(
            f"20 routes     {path.decode():22} {nanoseconds(small, path):7.0f} ns   scan {nanoseconds(small, path, True):8.0f} ns"
        )
    for size in (100, 1_000):
        large = table(size, size, 0, domains=size)
        for path in (b"/api/v99/svc/abc", b"/exact/path/99", b"/other"):
            print(
                f"{2 * size + 1:<6} routes {path.decode():22} {nanoseconds(large, path):7.0f} ns   scan {nanoseconds(large, path, True):8.0f} ns"
            )


if __name__ == "__main__":
    main()
