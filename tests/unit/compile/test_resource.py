"""One resource as a whole: what is checked, and how errors come together."""

from __future__ import annotations

import pytest
from envoy.config.cluster.v3.cluster_pb2 import Cluster

from dataplane.base.errors import FieldPath, InvalidResource
from dataplane.compile.context import CompileContext
from dataplane.compile.message_types import type_url_of
from dataplane.compile.resource import compile_resource
from tests.support.compiling import errors, message

CLUSTER = "envoy.config.cluster.v3.Cluster"


def test_bytes_and_messages_are_the_same() -> None:
    made = message(CLUSTER, {"name": "z", "connect_timeout": "3s"})
    from_bytes = compile_resource(type_url_of(Cluster), made.SerializeToString())
    assert from_bytes == compile_resource(type_url_of(Cluster), made)
    assert (from_bytes.name, from_bytes.value.connect_timeout) == ("z", 3.0)


def test_errors_name_the_resource() -> None:
    with pytest.raises(InvalidResource) as caught:
        compile_resource(type_url_of(Cluster), message(CLUSTER, {"name": "z", "type": "EDS"}))
    assert caught.value.errors[0].at == FieldPath("Cluster", "z") / "eds_cluster_config"


def test_shape_support_and_sense_are_all_reported_but_no_consequence_twice() -> None:
    found = errors(
        message(
            CLUSTER,
            {
                "connect_timeout": "0s",
                "type": "STATIC",
                "track_timeout_budgets": True,
                "eds_cluster_config": {"eds_config": {"ads": {}}},
                "lrs_server": {"self": {}},
            },
        )
    )
    places = [each.partition(":")[0] for each in found]
    assert sorted(places) == sorted(set(places))
    assert {"name", "connect_timeout", "track_timeout_budgets", "lrs_server"} <= set(places)


def test_broken_bytes() -> None:
    with pytest.raises(InvalidResource, match="not a serialized"):
        compile_resource(type_url_of(Cluster), b"\xff\xff")


def test_facts_of_the_process_reach_the_values() -> None:
    made = message(CLUSTER, {"name": "z"})
    assert compile_resource(type_url_of(Cluster), made, CompileContext(added_via_api=True)).value.added_via_api
