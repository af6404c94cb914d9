"""Loading under any input: errors of one kind only, and agreement with protobuf's own JSON reader where that one accepts."""

from __future__ import annotations

import json
from collections.abc import Callable

from envoy.config.bootstrap.v3.bootstrap_pb2 import Bootstrap
from envoy.config.cluster.v3.cluster_pb2 import Cluster
from google.protobuf import json_format
from google.protobuf.message import Message
from hypothesis import given
from hypothesis import strategies as st

from dataplane.base.errors import ConfigError, FieldPath, InvalidResource, Problems
from dataplane.bootstrap.json_text import parse_json
from dataplane.bootstrap.load import load
from dataplane.bootstrap.text import parse_text
from dataplane.bootstrap.yaml_text import parse_yaml
from dataplane.compile.constraints import check
from dataplane.compile.from_tree import Conversion, fill
from dataplane.compile.support_walk import check_support
from dataplane.compile.tree import plain, value_of
from dataplane.validation import check_resources, parse_resources
from tests.support.fuzzing import fuzzed

CLUSTER = "type.googleapis.com/envoy.config.cluster.v3.Cluster"
TYPES = (
    CLUSTER,
    "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
    "type.googleapis.com/google.protobuf.Duration",
    "type.googleapis.com/xds.type.v3.TypedStruct",
    "type.googleapis.com/no.such.Type",
    "envoy.api.v2.Cluster",
)
# Names of fields of several messages, so that arbitrary data is not merely unknown at its first level.
NAMES = (
    *(
        "name",
        "static_resources",
        "staticResources",
        "clusters",
        "listeners",
        "type",
        "lb_policy",
        "connect_timeout",
        "load_assignment",
    ),
    *(
        "cluster_name",
        "endpoints",
        "lb_endpoints",
        "endpoint",
        "address",
        "socket_address",
        "port_value",
        "metadata",
        "filter_metadata",
    ),
    *(
        "typed_extension_protocol_options",
        "transport_socket",
        "typed_config",
        "@type",
        "value",
        "type_url",
        "filter_chains",
        "filters",
    ),
    *(
        "node",
        "id",
        "layered_runtime",
        "layers",
        "static_layer",
        "seconds",
        "nanos",
        "health_checks",
        "outlier_detection",
        "priority",
    ),
)

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from((*TYPES, "STATIC", "eds", "5s", "-1s", "1e3", "0x10", "x", "*")),
)
keys = st.one_of(st.sampled_from(NAMES), st.text(max_size=6))
data = st.recursive(scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=6), max_leaves=25)
objects = st.dictionaries(keys, data, max_size=8)
plain_data = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**31), 2**31 - 1) | st.text(st.characters(codec="utf-8"), max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=6), inner, max_size=4)
    ),
    max_leaves=20,
)


def converted(message: Message, content: object) -> Problems:
    run = Conversion()
    fill(message, value_of(content), FieldPath(), run)
    return run.problems


def refused(read: Callable[[], object]) -> str:
    """Why *read* refuses its input, empty where it does not.  Any other exception is a failure."""
    try:
        read()
    except (ConfigError, InvalidResource) as error:
        return str(error) or "an error without words"
    return ""


@fuzzed(50)
@given(st.text(max_size=60) | st.binary(max_size=60), st.sampled_from(["a.yaml", "a.json", "a"]))
def test_any_text_is_read_or_refused(content: str | bytes, path: str) -> None:
    encoded = content.encode("utf-8", "surrogatepass") if isinstance(content, str) else content
    assert refused(lambda: parse_text(encoded, path)) != "an error without words"


@fuzzed(50)
@given(st.text(st.sampled_from("{}[]:,-&*!|>'\"#%@\n\t abc01~?"), max_size=40))
def test_any_text_of_yaml_characters_is_read_or_refused(content: str) -> None:
    assert refused(lambda: parse_yaml(content)) != "an error without words"
    assert refused(lambda: parse_json(content)) != "an error without words"


@fuzzed(50)
@given(objects)
def test_any_object_becomes_a_message_or_errors(content: dict[str, object]) -> None:
    for message in (Bootstrap(), Cluster()):
        problems = converted(message, content)
        assert all(str(error) for error in problems.errors)


@fuzzed(50)
@given(objects)
def test_what_was_converted_can_be_checked(content: dict[str, object]) -> None:
    bootstrap = Bootstrap()
    converted(bootstrap, content)
    problems = Problems()
    check(bootstrap, FieldPath(), problems)
    check_support(bootstrap, FieldPath(), problems)
    assert all(str(error) for error in problems.errors)


@fuzzed(50)
@given(objects)
def test_loading_raises_one_kind_of_error(content: dict[str, object]) -> None:
    text = json.dumps(content) if _is_json(content) else repr(content)
    assert refused(lambda: load(yaml_text=text)) != "an error without words"


@fuzzed(50)
@given(objects, st.sampled_from(TYPES))
def test_any_resource_gets_a_verdict(content: dict[str, object], type_url: str) -> None:
    if not _is_json(content):
        return
    parsed, problems = parse_resources(json.dumps({**content, "@type": type_url}))
    assert len(parsed) + bool(problems) == 1
    for problem in check_resources(parsed):
        assert problem.reason


def _is_json(content: object) -> bool:
    try:
        json.dumps(content, allow_nan=False).encode()
    except ValueError:
        return False
    return True


@fuzzed(50)
@given(plain_data)
def test_json_means_the_same_to_both_readers(content: object) -> None:
    text = json.dumps(content, ensure_ascii=False)
    assert plain(parse_json(text)) == content
    assert plain(parse_json(json.dumps(content))) == content


@fuzzed(50)
@given(objects)
def test_strict_input_means_the_same_as_to_json_format(content: dict[str, object]) -> None:
    cluster = Cluster()
    converted(cluster, content)
    try:
        strict = json_format.MessageToDict(cluster)
        theirs = json_format.ParseDict(strict, Cluster())
    except (json_format.Error, TypeError, ValueError):
        return  # a duration out of its range, a type that is not imported
    ours = Cluster()
    assert converted(ours, strict).errors == []
    assert ours == theirs
