"""Trees become messages, with the leniency that configurations in the wild rely on."""

from __future__ import annotations

import pytest
from envoy.config.bootstrap.v3.bootstrap_pb2 import Bootstrap
from envoy.config.cluster.v3.cluster_pb2 import Cluster
from envoy.config.route.v3.route_components_pb2 import Route, RouteAction, VirtualHost

from dataplane.base.errors import FieldPath
from dataplane.compile.from_tree import Conversion, fill
from dataplane.compile.tree import value_of
from tests.support.tree_messages import convert, problems


def test_both_spellings_may_be_mixed() -> None:
    cluster = convert(
        Cluster(), {"name": "a", "lbPolicy": "RANDOM", "connect_timeout": "1s", "loadAssignment": {"cluster_name": "b"}}
    )
    assert (cluster.lb_policy, cluster.connect_timeout.seconds, cluster.load_assignment.cluster_name) == (Cluster.RANDOM, 1, "b")


def test_one_value_stands_for_a_list_of_one() -> None:
    host = convert(VirtualHost(), {"domains": "*", "routes": {"match": {"prefix": "/"}}})
    assert list(host.domains) == ["*"]
    assert host.routes[0].match.prefix == "/"


def test_null_leaves_a_field_out_and_is_an_empty_element_of_a_list() -> None:
    bootstrap = convert(Bootstrap(), {"node": None, "static_resources": {"clusters": [None, {"name": "a"}], "listeners": None}})
    assert not bootstrap.HasField("node")
    assert [cluster.name for cluster in bootstrap.static_resources.clusters] == ["", "a"]


def test_null_as_the_value_of_a_map_is_an_empty_message() -> None:
    cluster = convert(Cluster(), {"typed_extension_protocol_options": {"a": None}})
    assert list(cluster.typed_extension_protocol_options) == ["a"]


def test_an_empty_object_sets_a_message() -> None:
    assert convert(Route(), {"route": {}}).HasField("route")


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        ({"nam": "a"}, "nam: no such field in envoy.config.cluster.v3.Cluster; did you mean 'name'?"),
        ({"zzz": "a"}, "zzz: no such field in envoy.config.cluster.v3.Cluster"),
        ({"name": 5}, "name: expected a string, got the number 5; put it into quotes"),
        ({"name": ["a"]}, "name: expected a string, got a list"),
        ({"name": "\ud800"}, "name: not valid Unicode"),
        ({"load_assignment": 5}, "load_assignment: expected an object, got the number 5"),
        ({"load_assignment": []}, "load_assignment: expected an object, got a list"),
        ({"health_checks": [[{}]]}, "health_checks[0]: expected an object, got a list"),
        ({"typed_extension_protocol_options": []}, "typed_extension_protocol_options: expected an object, got a list"),
        ({"lb_policy": "x"}, "lb_policy: 'x' is none of ROUND_ROBIN, LEAST_REQUEST, RING_HASH, RANDOM, MAGLEV, CLUSTER_PROVIDED, "
         "LOAD_BALANCING_POLICY_CONFIG"),
    ],
)  # fmt: skip
def test_what_is_refused(data: object, problem: str) -> None:
    assert problems(Cluster(), data) == [problem]


def test_all_problems_are_found() -> None:
    data = {"name": 5, "lb_subset_config": {"subset_selectors": [{"keys": ["a", 1]}]}, "per_connection_buffer_limit_bytes": -1}
    assert [problem.partition(":")[0] for problem in problems(Cluster(), data)] == [
        "name",
        "lb_subset_config.subset_selectors[0].keys[1]",
        "per_connection_buffer_limit_bytes",
    ]


def test_only_one_field_of_a_oneof() -> None:
    assert problems(RouteAction(), {"cluster": "a", "cluster_header": "b"}) == [
        "cluster_header: only one field of cluster_specifier may be set, and cluster is"
    ]
    assert problems(RouteAction(), {"cluster": "a", "cluster_header": None}) == []


def test_both_spellings_of_one_field_are_one_field() -> None:
    assert problems(RouteAction(), {"clusterHeader": "a", "cluster_header": "b"}) == []


def test_unknown_fields_and_enum_names_may_be_dropped() -> None:
    run = Conversion(allow_unknown=True)
    cluster = Cluster()
    fill(cluster, value_of({"name": "a", "nope": {}, "lb_policy": "NOPE"}), FieldPath("Cluster", "a"), run)
    assert cluster == Cluster(name="a")
    assert [str(error.at) for error in run.dropped] == ["Cluster{a}.nope", "Cluster{a}.lb_policy"]
    assert run.problems.errors == []
