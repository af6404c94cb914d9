"""What is handed in becomes resources, or every problem with its place."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from envoy.config.cluster.v3 import cluster_pb2

from controlplane.base.type_url import CLUSTER
from controlplane.build import messages
from controlplane.build.messages import UnknownType, decode
from controlplane.build.preflight import Document, EncodedResource, check

GOOD = '"@type": type.googleapis.com/envoy.config.cluster.v3.Cluster\nname: {name}\ntype: STATIC\nload_assignment: {{cluster_name: x}}\n'

BODY = """\
"@type": type.googleapis.com/envoy.config.route.v3.RouteConfiguration
name: r
virtual_hosts:
- name: v
  domains: ["*"]
  routes:
  - match: {{prefix: /}}
    direct_response: {{status: 200, body: {{filename: {path}}}}}
"""


@pytest.fixture(autouse=True, scope="module")
def _messages() -> None:
    messages.load_all()


def test_texts_and_messages_give_the_same_resources() -> None:
    message = cluster_pb2.Cluster(name="a", type="STATIC")
    message.load_assignment.cluster_name = "x"
    from_text = check([Document(GOOD.format(name="a"), "a.yaml")], [])
    from_message = check([], [EncodedResource(CLUSTER, message.SerializeToString())])
    assert from_text == from_message
    assert [(each.type_url, each.name) for each in from_text.resources] == [(CLUSTER, "a")]
    assert from_text.problems == ()


def test_problems_of_all_documents_are_told_with_their_source() -> None:
    texts = [Document("a: [", "one.yaml"), Document(GOOD.format(name="a"), "two.yaml"), Document("name: x", "three.yaml")]
    checked = check(texts, [EncodedResource(CLUSTER, b"\xff"), EncodedResource("type.googleapis.com/no.such", b"")])
    assert [problem.source for problem in checked.problems if problem.source] == ["one.yaml", "three.yaml"]
    assert [problem.reason for problem in checked.problems if not problem.source] == [
        "not a envoy.config.cluster.v3.Cluster",
        "unknown type type.googleapis.com/no.such",
    ]


def test_a_resource_that_is_given_twice_is_a_problem() -> None:
    text = GOOD.format(name="a")
    checked = check([Document(text + "---\n" + text, "a.yaml")], [])
    (problem,) = checked.problems
    assert (problem.reason, problem.document, problem.resource) == ("given more than once", 1, "Cluster{a}")


def test_decoding_an_unknown_type_is_an_error() -> None:
    with pytest.raises(UnknownType, match=r"no\.such"):
        decode("type.googleapis.com/no.such", b"")


@pytest.mark.timeout(10)
def test_files_of_this_machine_are_not_looked_at(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for name in ("pipe", "nothing"):
        checked = check([Document(BODY.format(path=tmp_path / name), "a.yaml")], [])
        assert checked.problems == ()
        assert len(checked.resources) == 1
