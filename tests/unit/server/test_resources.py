"""What is known of resources that came over xDS."""

from __future__ import annotations

from envoy.config.cluster.v3.cluster_pb2 import Cluster as ClusterMessage
from google.protobuf.any_pb2 import Any as AnyMessage

from dataplane.server.resources import Discovered, Resource, resources_of
from dataplane.xds.types import CLUSTER, SECRET


def resource(name: str, body: bytes = b"") -> Resource:
    return Resource(name, object(), body)


def test_a_response_adds_changes_and_removes() -> None:
    discovered, a, b = Discovered(), resource("a", b"1"), resource("b")
    discovered.take(CLUSTER, {"a": a, "b": b}, (), "v1", wall=1.0)
    changed = resource("a", b"22")
    discovered.take(CLUSTER, {"a": changed}, ("b", "never known"), "v2", wall=2.0)
    assert discovered.resources[CLUSTER] == {"a": Resource("a", changed.value, b"22", "v2", 2.0)}
    assert discovered.values(CLUSTER) == {"a": changed.value}


def test_a_secret_is_not_taken_back() -> None:
    discovered = Discovered()
    discovered.take(SECRET, {"key": resource("key")}, (), "v1", wall=1.0)
    discovered.take(SECRET, {}, ("key",), "v2", wall=2.0)
    assert list(discovered.resources[SECRET]) == ["key"]


def test_a_resource_whose_maps_come_in_another_order_is_no_new_one() -> None:
    def entry(key: str) -> bytes:
        return ClusterMessage(typed_extension_protocol_options={key: AnyMessage()}).SerializeToString()

    discovered = Discovered()
    first, same, other = (resource("a", body) for body in (entry("x") + entry("y"), entry("y") + entry("x"), entry("z")))
    discovered.take(CLUSTER, {"a": first}, (), "v1", wall=1.0)
    discovered.take(CLUSTER, {"a": same}, (), "v2", wall=2.0)
    known = discovered.resources[CLUSTER]
    assert (known["a"].value, known["a"].version) == (first.value, "v1")
    discovered.take(CLUSTER, {"a": other}, (), "v3", wall=3.0)
    assert known["a"].value is other.value


def test_what_nobody_asks_for_is_forgotten_but_for_the_wildcard() -> None:
    discovered = Discovered()
    discovered.take(CLUSTER, {"a": resource("a"), "b": resource("b")}, (), "v1", wall=1.0)
    discovered.settled[CLUSTER].update({None, "a", "b"})
    discovered.forget_others(CLUSTER, {"b"})
    assert list(discovered.resources[CLUSTER]) == ["b"]
    assert discovered.settled[CLUSTER] == {None, "b"}
    assert discovered.settled_names(CLUSTER) == {"b"}


def test_the_resource_of_a_value_is_the_one_that_compiled_to_it() -> None:
    new, used, static = resource("a"), resource("a"), resource("b")
    found = resources_of({"a": used.value, "b": static.value}, {"b": static}, {"a": new}, {"a": used})
    assert found == {"a": used, "b": static}
