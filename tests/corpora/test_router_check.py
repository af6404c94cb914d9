"""Envoy's own golden tests of route tables, played in this process: compile the table, find the route, apply it.

The rules of the tool that the goldens were written for are in the corpus' README; where it is not the data plane (a route with a runtime
fraction is only taken when the test names its key) the test follows the tool.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from dataplane.base.address import SocketAddress
from dataplane.base.errors import FieldPath
from dataplane.compile.context import CompileContext
from dataplane.compile.matcher import compile_header_matcher
from dataplane.observe.stream_info import StreamInfo
from dataplane.router.request_plan import levels_of, rewrite, rewrite_path
from dataplane.routing.actions import choose_cluster
from dataplane.routing.header_mutations import mutate_response
from dataplane.routing.route import DirectResponse, ForwardAction, RedirectAction, Route, RouteConfiguration
from dataplane.routing.table import find_route, find_virtual_host, virtual_cluster_of
from dataplane.semantics.header_map import RequestHeaders, ResponseHeaders
from tests.support.compiling import compiled, message

ROOT = Path(os.environ.get("POINTSMAN_CORPORA", "../shared/corpora")) / "router_check"

pytestmark = [
    pytest.mark.corpora,
    pytest.mark.skipif(not ROOT.is_dir(), reason="no corpora: set POINTSMAN_CORPORA to where they are"),
]

ROUTE_CONFIGURATION = "envoy.config.route.v3.RouteConfiguration"


def goldens() -> list[Any]:
    if not ROOT.is_dir():
        return []
    return [
        pytest.param(entry, test, id=f"{entry['name']}-{test['test_name']}")
        for entry in json.loads((ROOT / "index.json").read_text())
        for test in yaml.safe_load((ROOT / entry["golden"]).read_text())["tests"]
    ]


@pytest.mark.parametrize(("entry", "test"), goldens())
def test_golden(entry: dict[str, Any], test: dict[str, Any]) -> None:
    given = test["input"]
    table = message(ROUTE_CONFIGURATION, (ROOT / entry["config"]).read_text())
    table.ClearField("internal_only_headers")  # taken off by a connection manager; no test speaks of them
    if not table.name:
        table.name = entry["name"]
    config = compiled(table, CompileContext(runtime=runtime_of(table, given)))
    outcome = play(config, given)
    differing = [f"{check}: {got!r} instead of {want!r}" for check, got, want in outcome.compare(test["validate"])]
    if entry["kind"] == "negative":
        assert differing
    else:
        assert not differing


def runtime_of(table: Any, given: dict[str, Any]) -> dict[str, object]:
    """Fractions whose key the test does not name are never met; a numerator of 0 counts as 1."""
    runtime: dict[str, object] = {}
    for host in table.virtual_hosts:
        for route in host.routes:
            fraction = route.match.runtime_fraction
            if fraction.runtime_key == given.get("runtime"):
                default = fraction.default_value
                name = type(default).DenominatorType.Name(default.denominator)
                runtime[fraction.runtime_key] = {"numerator": max(default.numerator, 1), "denominator": name}
            elif fraction.runtime_key:
                runtime[fraction.runtime_key] = 0
    return runtime


@dataclass(slots=True)
class Outcome:
    """What became of one request."""

    config: RouteConfiguration
    route: Route | None
    request: RequestHeaders
    response: ResponseHeaders
    cluster: str
    location: str
    virtual_cluster: str

    def compare(self, wanted: dict[str, Any]) -> Iterator[tuple[str, object, object]]:
        for check, want in wanted.items():
            if check in ("request_header_matches", "response_header_matches"):
                yield from self._compare_headers(check, want)
            else:
                got = self._value(check)
                if check == "timeout":
                    want = float(str(want).removesuffix("s"))
                if got != want:
                    yield check, got, want

    def _compare_headers(self, check: str, matchers: Any) -> Iterator[tuple[str, object, object]]:
        headers = self.request if check.startswith("request") else self.response
        for matcher in matchers if isinstance(matchers, list) else [matchers]:
            made = message("envoy.config.route.v3.HeaderMatcher", matcher)
            if not compile_header_matcher(made, FieldPath())(headers):
                yield check, headers.get(matcher["name"].encode()), matcher

    def _value(self, check: str) -> object:
        action = self.route.action if self.route is not None else None
        forward = isinstance(action, ForwardAction)
        match check:
            case "cluster_name":
                return self.cluster
            case "virtual_cluster_name":
                return self.virtual_cluster
            case "virtual_host_name":
                return self.route.virtual_host if self.route is not None and forward else ""
            case "path_rewrite":
                return self.request.path.decode() if forward else ""
            case "host_rewrite":
                return self.request.authority.decode() if forward else ""
            case "path_redirect":
                return self.location
            case "code_redirect":
                return action.status if isinstance(action, RedirectAction | DirectResponse) else 0
            case "timeout":
                return action.timeout if isinstance(action, ForwardAction) else 0.0
        raise AssertionError(f"unknown check {check}")


def play(config: RouteConfiguration, given: dict[str, Any]) -> Outcome:
    request = request_of(given)
    info = StreamInfo()
    info.downstream_remote_address = info.downstream_direct_remote_address = SocketAddress("127.0.0.1", 1234)
    random_value = given.get("random_value", 0)
    route = find_route(config, request, random_value)
    outcome = Outcome(config, route, request, ResponseHeaders(200), "", "", "")
    if route is None:
        return outcome
    action = route.action
    if isinstance(action, ForwardAction):
        forward(outcome, route, action, random_value, info)
    elif isinstance(action, RedirectAction):
        if action.rewrite_path is not None:
            rewrite_path(request, action.rewrite_path, info, tell=False)
        outcome.location = action.location(request).decode()
        mutate_response(route.mutations, request, outcome.response, info)
    elif isinstance(action, DirectResponse):
        answer(outcome, route, action, info)
    return outcome


def forward(outcome: Outcome, route: Route, action: ForwardAction, random_value: int, info: StreamInfo) -> None:
    request = outcome.request
    host = find_virtual_host(outcome.config, request.authority)
    assert host is not None
    if host.virtual_clusters:
        outcome.virtual_cluster = virtual_cluster_of(host.virtual_clusters, request)
    outcome.cluster, choice = choose_cluster(action, request, random_value)
    levels = levels_of(route, choice)
    rewrite(request, action, choice, levels, info, tell=False)
    mutate_response(levels, request, outcome.response, info)


def answer(outcome: Outcome, route: Route, action: DirectResponse, info: StreamInfo) -> None:
    request = outcome.request
    outcome.location = (request.scheme + b"://" + request.authority + request.path).decode()  # an artefact of the tool
    outcome.response = ResponseHeaders(action.status)
    if action.body:
        outcome.response.add(b"content-length", b"%d" % len(action.body))
        outcome.response.add(b"content-type", b"text/plain")
    mutate_response(route.mutations, request, outcome.response, info)


def request_of(given: dict[str, Any]) -> RequestHeaders:
    scheme = b"https" if given.get("ssl") else b"http"
    fields = [(b"x-forwarded-proto", scheme)]
    if given.get("internal"):
        fields.append((b"x-envoy-internal", b"true"))
    for header in given.get("additional_request_headers", ()):
        fields.append((header["key"].lower().encode(), header["value"].encode()))
    return RequestHeaders(
        given.get("method", "GET").encode(), given["path"].encode(), given["authority"].encode(), scheme, fields
    )
