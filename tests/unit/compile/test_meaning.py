"""Messages that mean the same."""

from __future__ import annotations

from envoy.config.cluster.v3.cluster_pb2 import Cluster
from envoy.config.core.v3.base_pb2 import Metadata
from envoy.config.endpoint.v3.endpoint_components_pb2 import Endpoint
from envoy.config.endpoint.v3.endpoint_pb2 import ClusterLoadAssignment
from envoy.config.listener.v3.listener_components_pb2 import Filter, FilterChain
from google.protobuf.any_pb2 import Any as AnyMessage

from dataplane.compile.meaning import Meaning, is_reordered
from dataplane.xds.types import CLUSTER, ENDPOINT

TYPE = "type.googleapis.com/envoy.config.core.v3.Metadata"


def entry(key: str, number: float) -> bytes:
    """A map is its entries, one behind the other."""
    metadata = Metadata()
    metadata.filter_metadata[key]["a"] = number
    return bytes(metadata.SerializeToString())


ONE, TWO = entry("one", 1.0), entry("two", 2.0)


def meaning(packed: bytes, type_url: str = TYPE, name: str = "chain") -> Meaning:
    chain = FilterChain(name=name, filters=[Filter(name="f", typed_config=AnyMessage(type_url=type_url, value=packed))])
    return Meaning(FilterChain, chain.SerializeToString(deterministic=True))


def test_the_order_of_a_map_says_nothing() -> None:
    assert meaning(ONE + TWO) == meaning(TWO + ONE)
    assert hash(meaning(ONE + TWO)) == hash(meaning(TWO + ONE))
    assert len({meaning(ONE + TWO), meaning(TWO + ONE)}) == 1


def test_what_differs_is_not_equal() -> None:
    assert meaning(ONE + TWO) != meaning(ONE + entry("two", 3.0))
    assert meaning(ONE) != meaning(ONE, name="other")
    assert meaning(ONE) != meaning(ONE + TWO)
    assert meaning(ONE) != "chain"


def test_what_nobody_can_read_is_compared_by_its_bytes() -> None:
    unknown = "type.googleapis.com/never.heard.Of"
    assert meaning(b"ab", unknown) == meaning(b"ab", unknown)
    assert meaning(b"ab", unknown) != meaning(b"ba", unknown)
    assert meaning(b"\xff\xfe") != meaning(b"\xfe\xff")


def test_a_resource_is_reordered_where_other_bytes_mean_the_same() -> None:
    one, other = (Cluster(name="app").SerializeToString() + _metadata(each) for each in (ONE + TWO, TWO + ONE))
    assert is_reordered(CLUSTER, one, other)
    assert not is_reordered(CLUSTER, one, one)  # files that it names may have changed
    assert not is_reordered(CLUSTER, one, other.replace(b"app", b"ape"))
    assert not is_reordered("type.googleapis.com/nobody.Knows", one, other)


def test_endpoints_are_not_looked_at_as_a_whole() -> None:
    one, two = (ClusterLoadAssignment(named_endpoints={name: Endpoint(hostname=name)}).SerializeToString() for name in "ab")
    assert Meaning(ClusterLoadAssignment, one + two) == Meaning(ClusterLoadAssignment, two + one)
    assert not is_reordered(ENDPOINT, one + two, two + one)


def _metadata(serialized: bytes) -> bytes:
    """The field `metadata` of a cluster."""
    return Cluster(metadata=Metadata()).SerializeToString()[:-1] + bytes([len(serialized)]) + serialized
