"""RouteAction, redirects and direct responses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dataplane.compile.context import CompileContext
from dataplane.observe.formatter_context import FormatterContext
from dataplane.observe.stream_info import StreamInfo
from dataplane.resilience.retry import WORDS, RateLimitedBackOff, ResetHeader, RetryPolicy
from dataplane.routing.rewrite import rewrite_target
from dataplane.routing.route import ConnectConfig, DirectResponse, ForwardAction, HeaderAddition, RedirectAction
from dataplane.routing.stream_duration import GrpcTimeout, StreamDuration
from dataplane.semantics.header_map import RequestHeaders
from tests.support.compiling import errors, message, one_route, route_configuration, virtual_host

ROUTE_CONFIGURATION = "envoy.config.route.v3.RouteConfiguration"
ROUTE = "virtual_hosts[0].routes[0]"


def action(match: dict[str, Any] | None = None, **fields: Any) -> ForwardAction:
    if not {"cluster_header", "weighted_clusters"} & set(fields):
        fields["cluster"] = "c"
    compiled = one_route(match or {"prefix": "/"}, route=fields).action
    assert isinstance(compiled, ForwardAction)
    return compiled


def problems(**fields: Any) -> list[str]:
    route = {"match": {"prefix": "/"}, **fields}
    return errors(message(ROUTE_CONFIGURATION, {"name": "r", "virtual_hosts": [virtual_host(route)]}))


def location(match: dict[str, Any], target: bytes, **fields: Any) -> bytes:
    compiled = one_route(match, redirect=fields).action
    assert isinstance(compiled, RedirectAction)
    if compiled.rewrite_path is not None:
        target = rewrite_target(target, compiled.rewrite_path)
    return compiled.location(RequestHeaders(b"GET", target, b"h"))


def test_defaults() -> None:
    assert action() == ForwardAction("c")


def test_times() -> None:
    assert action(timeout="0s").timeout == 0
    assert action(timeout="0.25s", idle_timeout="0s").idle_timeout == 0
    limited = action(timeout="3s", max_stream_duration={"max_stream_duration": "2s"})
    assert (limited.timeout, limited.max_stream_duration) == (0, StreamDuration(2000))


def test_times_of_grpc_requests() -> None:
    new = {"grpc_timeout_header_max": "0s", "grpc_timeout_header_offset": "0.0015s"}
    assert action(max_stream_duration=new).max_stream_duration == StreamDuration(None, 0, 1)
    old = {"max_grpc_timeout": "1s", "grpc_timeout_offset": "0.1s"}
    assert (action(**old).timeout, action(**old).grpc_timeout) == (15, GrpcTimeout(1000, 100))
    assert action(**old, max_stream_duration={}).grpc_timeout is None
    assert action(grpc_timeout_offset="0.1s").grpc_timeout is None


@pytest.mark.parametrize(
    ("match", "path", "expected"),
    [
        ({"prefix": "/a"}, b"/a/b", b"/new/b"),
        ({"path": "/a/b"}, b"/a/b", b"/new"),
        ({"safe_regex": {"regex": "/a.*"}}, b"/a/b", b"/new"),
        ({"path_separated_prefix": "/a"}, b"/a/b", b"/new/b"),
    ],
)
def test_prefix_rewrite(match: dict[str, Any], path: bytes, expected: bytes) -> None:
    rewrite = action(match, prefix_rewrite="/new").rewrite_path
    assert rewrite is not None
    assert rewrite(path) == expected


def test_regex_rewrites() -> None:
    rewriting = {"pattern": {"regex": "^/(.*)$"}, "substitution": "/x/\\1"}
    both = action(regex_rewrite=rewriting, host_rewrite_path_regex=rewriting)
    assert both.rewrite_path is not None
    assert both.host_rewrite_path_regex is not None
    assert both.rewrite_path(b"/a") == both.host_rewrite_path_regex(b"/a") == b"/x/a"


def test_host_rewrites() -> None:
    assert action(host_rewrite_literal="x").host_rewrite == b"x"
    assert action(host_rewrite_header="X-Host", append_x_forwarded_host=True).host_rewrite_header == b"x-host"
    assert action(auto_host_rewrite=True).auto_host_rewrite
    assert not action(auto_host_rewrite=False).auto_host_rewrite


def test_weighted_clusters() -> None:
    compiled = action(
        weighted_clusters={
            "clusters": [
                {"name": "a", "weight": 1, "host_rewrite_literal": "x", "request_headers_to_remove": ["Y"]},
                {"cluster_header": "To", "weight": 2},
                {"name": "idle"},
            ],
            "header_name": "Pick",
            "total_weight": 77,
        }
    )
    assert (compiled.total_weight, compiled.weight_header) == (3, b"pick")
    first, second, third = compiled.weighted_clusters
    assert (first.name, first.weight, first.host_rewrite) == ("a", 1, b"x")
    assert first.mutations is not None
    assert first.mutations.request_remove == (b"y",)
    assert (second.cluster_header, second.mutations) == (b"to", None)
    assert third.weight == 0


@pytest.mark.parametrize(
    ("clusters", "path", "reason"),
    [
        ([{"name": "a"}], "", "Sum of weights in the weighted_cluster must be greater than 0."),
        ([{"weight": 1}], ".clusters[0]", "At least one of name or cluster_header need to be specified"),
        (
            [{"name": "a", "cluster_header": "b", "weight": 1}],
            ".clusters[0]",
            "Only one of name or cluster_header can be specified",
        ),
        (
            [{"name": "a", "weight": 4294967295}, {"name": "b", "weight": 1}],
            "",
            "The sum of weights of all weighted clusters of route exceeds 4294967295",
        ),
    ],
)
def test_bad_weights(clusters: list[dict[str, Any]], path: str, reason: str) -> None:
    assert problems(route={"weighted_clusters": {"clusters": clusters}}) == [f"{ROUTE}.route.weighted_clusters{path}: {reason}"]


def test_retry_policy() -> None:
    policy = action(
        retry_policy={
            "retry_on": "5xx,reset",
            "num_retries": 0,
            "per_try_timeout": "1s",
            "per_try_idle_timeout": "2s",
            "retriable_status_codes": [418],
            "retry_back_off": {"base_interval": "0.0001s", "max_interval": "1s"},
            "retriable_headers": [{"name": "x", "present_match": True}],
        }
    ).retry_policy
    assert isinstance(policy, RetryPolicy)
    assert policy.retry_on == WORDS["5xx"] | WORDS["reset"]
    assert (policy.num_retries, policy.per_try_timeout, policy.per_try_idle_timeout) == (0, 1, 2)
    assert (policy.base_interval, policy.max_interval) == (0.001, 1)
    assert policy.retriable_status_codes == {418}
    assert len(policy.retriable_headers) == 1


def test_retries_may_go_to_other_hosts_and_wait_for_as_long_as_they_are_told() -> None:
    previous = {
        "name": "previous_hosts",
        "typed_config": {"@type": "type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate"},
    }
    policy = action(
        retry_policy={
            "retry_on": "5xx",
            "retry_host_predicate": [previous],
            "host_selection_retry_max_attempts": 5,
            "rate_limited_retry_back_off": {
                "reset_headers": [{"name": "Retry-After"}, {"name": "X-Reset", "format": "UNIX_TIMESTAMP"}],
                "max_interval": "60s",
            },
        }
    ).retry_policy
    assert isinstance(policy, RetryPolicy)
    assert (policy.avoid_previous_hosts, policy.host_selection_attempts) == (True, 5)
    assert policy.rate_limited == RateLimitedBackOff((ResetHeader(b"retry-after"), ResetHeader(b"x-reset", True)), 60.0)


def test_a_runtime_layer_overrides_weights() -> None:
    clusters = {"clusters": [{"name": "a", "weight": 90}, {"name": "b", "weight": 10}], "runtime_key_prefix": "p"}
    content = {"virtual_hosts": [virtual_host({"match": {"prefix": "/"}, "route": {"weighted_clusters": clusters}})]}
    compiled = route_configuration(content, CompileContext(runtime={"p.b": 30})).virtual_hosts[0].routes[0].action
    assert isinstance(compiled, ForwardAction)
    assert ([choice.weight for choice in compiled.weighted_clusters], compiled.total_weight) == ([90, 30], 120)


def test_the_greatest_back_off_is_ten_times_the_base_unless_given() -> None:
    policy = action(retry_policy={"retry_on": "5xx", "retry_back_off": {"base_interval": "1s"}}).retry_policy
    assert isinstance(policy, RetryPolicy)
    assert policy.max_interval == 10


@pytest.mark.parametrize(
    ("fields", "path", "reason"),
    [
        (
            {"prefix_rewrite": "/x", "regex_rewrite": {"pattern": {"regex": "a"}, "substitution": "b"}},
            "",
            "Specify only one of prefix_rewrite, regex_rewrite or path_rewrite_policy",
        ),
        (
            {"retry_policy": {"retry_on": "5xx", "retry_back_off": {"base_interval": "1s", "max_interval": "0.5s"}}},
            ".retry_policy.retry_back_off.max_interval",
            "retry_policy.max_interval must greater than or equal to the base_interval",
        ),
        ({"regex_rewrite": {"pattern": {"regex": "["}, "substitution": "b"}}, ".regex_rewrite.pattern.regex", "missing ]: ["),
    ],
)
def test_contradictions(fields: dict[str, Any], path: str, reason: str) -> None:
    assert problems(route={"cluster": "c", **fields}) == [f"{ROUTE}.route{path}: {reason}"]


@pytest.mark.parametrize(
    "fields",
    [
        {"internal_redirect_policy": {}},
        {"hedge_policy": {}},
    ],
)
def test_what_has_no_effect_is_refused(fields: dict[str, Any]) -> None:
    name = next(iter(fields))
    assert f"{ROUTE}.route.{name}: is not supported by this version" in problems(route={"cluster": "c", **fields})


def test_what_only_other_extensions_read_is_accepted() -> None:
    limits = [{"actions": [{"remote_address": {}}]}]
    assert action(rate_limits=limits, metadata_match={}) == ForwardAction("c")


@pytest.mark.parametrize(
    ("code", "status"),
    [("MOVED_PERMANENTLY", 301), ("FOUND", 302), ("SEE_OTHER", 303), ("TEMPORARY_REDIRECT", 307), ("PERMANENT_REDIRECT", 308)],
)
def test_redirect_statuses(code: str, status: int) -> None:
    compiled = one_route({"prefix": "/"}, redirect={"response_code": code}).action
    assert isinstance(compiled, RedirectAction)
    assert compiled.status == status


def test_redirect_targets() -> None:
    assert location({"prefix": "/a"}, b"/a/b?q", prefix_rewrite="/new") == b"http://h/new/b?q"
    assert location({"path": "/a"}, b"/a?q", prefix_rewrite="/new", strip_query=True) == b"http://h/new"
    rewriting = {"pattern": {"regex": "/a"}, "substitution": "/z"}
    assert location({"prefix": "/a"}, b"/a/a", regex_rewrite=rewriting) == b"http://h/z/z"
    assert location({"prefix": "/"}, b"/", scheme_redirect="ftp", host_redirect="x", port_redirect=21) == b"ftp://x:21/"
    assert location({"prefix": "/"}, b"/", https_redirect=True, path_redirect="/p") == b"https://h/p"


def test_direct_response_bodies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "body").write_bytes(b"from a file")
    monkeypatch.setenv("BODY", "from the environment")
    bodies = {
        b"x": {"inline_string": "x"},
        b"y": {"inline_bytes": "eQ=="},
        b"from a file": {"filename": str(tmp_path / "body")},
        b"from the environment": {"environment_variable": "BODY"},
    }
    for expected, source in bodies.items():
        compiled = one_route({"prefix": "/"}, direct_response={"status": 200, "body": source}).action
        assert compiled == DirectResponse(200, expected)


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ({"filename": "/no/such/file"}, "filename: file /no/such/file does not exist"),
        ({"filename": "/"}, "filename: unable to read file: /"),
        (
            {"environment_variable": "NO_SUCH_VARIABLE"},
            "environment_variable: Environment variable doesn't exist: NO_SUCH_VARIABLE",
        ),
    ],
)
def test_bodies_that_cannot_be_read(source: dict[str, str], reason: str) -> None:
    found = problems(direct_response={"status": 200, "body": source})
    assert len(found) == 1
    assert found[0].startswith(f"{ROUTE}.direct_response.body.{reason}")


def addition(**option: Any) -> HeaderAddition:
    route = one_route({"prefix": "/"}, request_headers_to_add=[option])
    return route.mutations[0].request_add[0]


def test_constant_header_values_are_bytes() -> None:
    assert addition(header={"key": "X", "value": "100%%"}) == HeaderAddition(b"x", b"100%", 0)
    assert addition(header={"key": "x", "raw_value": "YWE="}).value == b"aa"
    assert addition(header={"key": "x", "value": "v"}, append=False).append_action == 2
    assert addition(header={"key": "x", "value": "v"}, append=True).append_action == 0
    assert addition(header={"key": "x", "value": "v"}, append_action="ADD_IF_ABSENT").append_action == 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [("%REQ(:path)%", b"/p"), ("<%REQ(missing)%>", b"<>"), ('%DYNAMIC_METADATA(["a", "b"])%', b"1")],
)
def test_header_values_with_operators(text: str, expected: bytes) -> None:
    value = addition(header={"key": "x", "value": text}).value
    assert not isinstance(value, bytes)
    info = StreamInfo()
    info.dynamic_metadata = {"a": {"b": "1"}}
    assert value(FormatterContext(info, RequestHeaders(b"GET", b"/p", b"h"))) == expected


@pytest.mark.parametrize(
    ("option", "path", "reason"),
    [
        ({"header": {"key": ":path", "value": "x"}}, "header.key", ":-prefixed or host headers may not be modified"),
        (
            {"header": {"key": "x", "value": "x"}, "append": True, "append_action": "ADD_IF_ABSENT"},
            "append",
            "Both append and append_action are set and it's not allowed",
        ),
        (
            {"header": {"key": "x", "value": "100% sure"}},
            "header.value",
            "Incorrect configuration: 100% sure. Couldn't find valid command at position 3",
        ),
    ],
)
def test_bad_header_additions(option: dict[str, Any], path: str, reason: str) -> None:
    found = problems(route={"cluster": "c"}, request_headers_to_add=[option])
    assert found == [f"{ROUTE}.request_headers_to_add[0].{path}: {reason}"]


def upgrade(upgrade_type: str = "CONNECT", **fields: Any) -> dict[str, Any]:
    return {"upgrade_type": upgrade_type, **fields}


def test_connect_is_sent_on_unless_it_is_configured_to_end_here() -> None:
    assert action(upgrade_configs=[upgrade()]).connect is None
    assert action(upgrade_configs=[upgrade()]).upgrades == ((b"connect", True),)
    assert action(upgrade_configs=[upgrade("websocket"), upgrade(connect_config={})]).connect == ConnectConfig()
    told = {"proxy_protocol_config": {"version": "V2"}, "allow_post": True}
    assert action(upgrade_configs=[upgrade(connect_config=told)]).connect == ConnectConfig(2, allow_post=True)
    told = {"proxy_protocol_config": {}}
    assert action(upgrade_configs=[upgrade(connect_config=told)]).connect == ConnectConfig(1)


def test_only_connect_can_end_here() -> None:
    [error] = problems(route={"cluster": "c", "upgrade_configs": [upgrade("websocket", connect_config={})]})
    assert error.endswith("upgrade_configs[0].connect_config: Non-CONNECT upgrade type websocket has ConnectConfig")


@pytest.mark.parametrize(
    ("config", "method", "ends"),
    [
        (ConnectConfig(), b"CONNECT", True),
        (ConnectConfig(), b"POST", False),
        (ConnectConfig(allow_post=True), b"POST", True),
        (ConnectConfig(allow_post=True), b"GET", False),
    ],
)
def test_what_ends_here(config: ConnectConfig, method: bytes, ends: bool) -> None:
    assert config.terminates(method) is ends
