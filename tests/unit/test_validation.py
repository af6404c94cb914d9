"""The façade: texts and messages in, problems out."""

from __future__ import annotations

from pathlib import Path

import pytest
from envoy.config.cluster.v3.cluster_pb2 import Cluster
from envoy.service.discovery.v3.discovery_pb2 import DiscoveryResponse
from google.protobuf.duration_pb2 import Duration

from dataplane.bootstrap.load import BootstrapError, load
from dataplane.validation import (
    Problem,
    bootstrap_warnings,
    check_bootstrap,
    check_resources,
    load_problems,
    parse_resources,
    resource_from_message,
)

GOOD = """\
"@type": type.googleapis.com/envoy.config.cluster.v3.Cluster
name: good
type: STATIC
"""
BAD = """\
"@type": type.googleapis.com/envoy.config.cluster.v3.Cluster
name: bad
connect_timeout: 0s
lbPolicy: 99
"""


@pytest.mark.parametrize(
    ("problem", "text"),
    [
        (Problem(0, 12, 5, "Cluster{a}", "lb_policy", "no", "file.yaml"), "file.yaml:12:5: Cluster{a}.lb_policy: no"),
        (Problem(None, None, None, "Cluster{a}", "lb_policy", "no"), "Cluster{a}.lb_policy: no"),
        (Problem(None, 3, None, "", "node", "no", "f"), "f:3: node: no"),
        (Problem(None, 3, 1, "", "", "not YAML", "f"), "f:3:1: not YAML"),
        (Problem(None, None, None, "Cluster{a}", "", "given more than once", "f"), "f: Cluster{a}: given more than once"),
    ],
)
def test_problems_print_like_a_compiler_would(problem: Problem, text: str) -> None:
    assert str(problem) == text


def test_good_resources() -> None:
    parsed, problems = parse_resources(GOOD, "a.yaml")
    assert problems == []
    assert check_resources(parsed) == []
    [resource] = parsed
    assert (resource.type_url, resource.name, resource.document, resource.line) == (
        "type.googleapis.com/envoy.config.cluster.v3.Cluster",
        "good",
        0,
        1,
    )


def test_every_error_of_every_document_with_its_line() -> None:
    parsed, problems = parse_resources(f"{GOOD}---\n{BAD}---\nnope: 1\n", "a.yaml")
    assert [str(problem) for problem in problems] == ["a.yaml:10:1: '@type' is missing: it says which message this is"]
    assert [str(problem) for problem in check_resources(parsed)] == [
        "a.yaml:7:18: Cluster{bad}.connect_timeout: value must be greater than 0s",
        "a.yaml:8:11: Cluster{bad}.lb_policy: value must be one of the defined enum values",
    ]
    assert {problem.document for problem in check_resources(parsed)} == {1}


def test_names_are_given_once_per_type() -> None:
    parsed, _ = parse_resources(f"{GOOD}---\n{GOOD}", "a.yaml")
    assert [str(problem) for problem in check_resources(parsed)] == ["a.yaml:5:1: Cluster{good}: given more than once"]


def test_a_message_has_no_place() -> None:
    resource = resource_from_message(Cluster(name="a", lb_policy=99))  # type: ignore[arg-type]  # an open enum
    assert [str(problem) for problem in check_resources([resource])] == [
        "Cluster{a}.lb_policy: value must be one of the defined enum values"
    ]
    assert [(problem.document, problem.line) for problem in check_resources([resource])] == [(None, None)]


def test_a_resource_needs_a_name() -> None:
    [problem] = check_resources([resource_from_message(Cluster())])
    assert str(problem) == "Cluster: a resource needs a name"


def test_a_type_that_is_no_resource() -> None:
    parsed, _ = parse_resources('"@type": x/envoy.config.core.v3.TypedExtensionConfig\nname: a\n')
    [problem] = check_resources(parsed)
    assert "not supported" in problem.reason


def test_a_bootstrap_is_checked_as_a_whole() -> None:
    text = "default_socket_interface: x\nstatic_resources:\n  clusters:\n  - name: a\n    lb_policy: 99\n  - name: a\n"
    assert [str(problem) for problem in check_bootstrap(load(yaml_text=text))] == [
        "--config-yaml:1:27: default_socket_interface: is not supported by this version",
        "--config-yaml:5:16: Cluster{a}.lb_policy: value must be one of the defined enum values",
        "--config-yaml:6:11: Cluster{a}.name: cluster manager: duplicate cluster 'a'",
    ]


def test_the_identity_of_the_command_line_counts() -> None:
    loaded = load(yaml_text="static_resources: {clusters: {name: a, type: EDS, eds_cluster_config: {eds_config: {ads: {}}}}}")
    assert len(check_bootstrap(loaded)) == 1
    assert check_bootstrap(loaded, "n1", "c1") == []
    assert loaded.message.node.id == ""


FILES = "node: {id: a, cluster: b}\ndynamic_resources: {cds_config: {path_config_source: {path: %s}}}"


def test_files_of_clusters_are_checked_too(tmp_path: Path) -> None:
    path = tmp_path / "cds.yaml"
    path.write_text(
        'version_info: "1"\nresources:\n- "@type": x/envoy.config.cluster.v3.Cluster\n  name: a\n  lb_policy: 99\n- 5\n'
    )
    assert [str(problem) for problem in check_bootstrap(load(yaml_text=FILES % path))] == [
        f"{path}:6:3: expected a resource, an object with '@type', got the number 5",
        f"{path}:5:14: Cluster{{a}}.lb_policy: value must be one of the defined enum values",
    ]


def test_files_of_clusters_may_be_serialized(tmp_path: Path) -> None:
    path = tmp_path / "cds.pb"
    response = DiscoveryResponse()
    response.resources.add().Pack(Cluster(name="a", connect_timeout=Duration()))
    path.write_bytes(response.SerializeToString())
    [problem] = check_bootstrap(load(yaml_text=FILES % path))
    assert str(problem) == "Cluster{a}.connect_timeout: value must be greater than 0s"
    path.write_bytes(b"\xff")
    [problem] = check_bootstrap(load(yaml_text=FILES % path))
    assert str(problem).startswith(f"{path}: not a serialized envoy.service.discovery.v3.DiscoveryResponse")


def test_warnings() -> None:
    text = "nope: 1\nnode: {id: a, cluster: b}\nstatic_resources: {clusters: {name: a, http2_protocol_options: {}}}\n"
    loaded = load(yaml_text=text + "dynamic_resources: {lds_config: {path_config_source: {path: /nope}}}", allow_unknown=True)
    assert [warning.path for warning in bootstrap_warnings(loaded)] == [
        "nope",
        "static_resources.clusters[0].http2_protocol_options",
        "dynamic_resources.lds_config.path_config_source.path",
    ]
    assert [warning.path for warning in bootstrap_warnings(loaded, deprecations=False)] == [
        "nope",
        "dynamic_resources.lds_config.path_config_source.path",
    ]


def test_a_bootstrap_that_cannot_be_read() -> None:
    with pytest.raises(BootstrapError) as caught:
        load(yaml_text="node: {id: 5}\nnope: 1")
    assert [str(problem) for problem in load_problems(caught.value)] == [
        "--config-yaml:1:12: node.id: expected a string, got the number 5; put it into quotes",
        "--config-yaml:2:7: nope: no such field in envoy.config.bootstrap.v3.Bootstrap; did you mean 'node'?",
    ]
