"""Loading a bootstrap: its forms, its two sources, its errors."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest
from envoy.config.bootstrap.v3.bootstrap_pb2 import Bootstrap
from google.protobuf import text_format

from dataplane.base.errors import FieldPath
from dataplane.bootstrap.load import BootstrapError, load
from dataplane.bootstrap.source import Place

WANTED = Bootstrap()
WANTED.node.id = "n1"
WANTED.static_resources.clusters.add(name="a")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("b.yaml", b"node: {id: n1}\nstatic_resources: {clusters: {name: a}}\n"),
        ("b.yml", b"node: {id: n1}\nstaticResources: {clusters: [{name: a}]}\n"),
        ("b.json", b'{"node": {"id": "n1"}, "static_resources": {"clusters": [{"name": "a"},]},}'),
        ("b.yaml", b'{"node": {"id": "n1"}, "static_resources": {"clusters": [{"name": "a"}]}}'),
        ("b.conf", b"node: {id: n1}\nstatic_resources: {clusters: [{name: a}]}\n"),
        ("b", b'{"node": {"id": "n1"}, "static_resources": {"clusters": [{"name": "a"}]}}'),
        ("b", b"{node: {id: n1}, static_resources: {clusters: [name: a]}}"),
        ("b.pb", WANTED.SerializeToString()),
        ("b.pb_text", text_format.MessageToString(WANTED).encode()),
        ("B.YAML", b"\xef\xbb\xbfnode: {id: n1}\nstatic_resources: {clusters: [{name: a}]}\n"),
    ],
)
def test_forms(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    assert load(str(path)).message == WANTED


def test_a_pipe_is_read_once(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    writer = threading.Thread(target=path.write_bytes, args=(b"node: {id: n1}\nstatic_resources: {clusters: [{name: a}]}\n",))
    writer.start()
    try:
        assert load(str(path)).message == WANTED
    finally:
        writer.join()


def test_config_yaml_is_merged_over_the_file(tmp_path: Path) -> None:
    path = tmp_path / "b.yaml"
    path.write_text("node: {id: n1, cluster: c1}\nstatic_resources:\n  clusters:\n  - name: a\n")
    loaded = load(str(path), "node: {id: n2}\nstatic_resources: {clusters: [{name: b}]}")
    assert loaded.message.node.id == "n2"
    assert loaded.message.node.cluster == "c1"
    assert [cluster.name for cluster in loaded.message.static_resources.clusters] == ["a", "b"]

    clusters = FieldPath() / "static_resources" / "clusters"
    assert loaded.source.place(clusters / 0 / "name") == Place(str(path), 4, 11)
    assert loaded.source.place(clusters / 1 / "name") == Place("--config-yaml", 2, 38)
    assert loaded.source.place(FieldPath() / "node" / "id") == Place("--config-yaml", 1, 12)
    assert loaded.source.place(FieldPath() / "node" / "cluster") == Place(str(path), 1, 25)


def test_config_yaml_alone() -> None:
    assert load(yaml_text="node: {id: n1}\nstatic_resources: {clusters: [{name: a}]}").message == WANTED


def test_every_error_is_reported_with_its_place(tmp_path: Path) -> None:
    path = tmp_path / "b.yaml"
    path.write_text(
        "node:\n  id: 5\nstatic_resources:\n  clusters:\n  - nam: a\n    connect_timeout: 5\n    lbPolicy: ROUNDROBIN\n"
    )
    with pytest.raises(BootstrapError) as caught:
        load(str(path))
    found = [
        (str(error.at), place.line, place.column) for error, place in zip(caught.value.errors, caught.value.places, strict=True)
    ]
    assert found == [
        ("node.id", 2, 7),
        ("static_resources.clusters[0].nam", 5, 10),
        ("static_resources.clusters[0].connect_timeout", 6, 22),
        ("static_resources.clusters[0].lb_policy", 7, 15),
    ]
    assert "did you mean 'name'?" in str(caught.value)
    assert f"{path}:2:7: node.id: " in str(caught.value)


def test_unknown_fields_may_be_allowed() -> None:
    text = "nope: 1\nstatic_resources: {clusters: [{name: a, lb_policy: NOPE, also: {a: b}}]}"
    loaded = load(yaml_text=text, allow_unknown=True)
    assert loaded.message.static_resources.clusters[0].name == "a"
    assert [str(warning.at) for warning in loaded.warnings] == [
        "nope",
        "static_resources.clusters[0].lb_policy",
        "static_resources.clusters[0].also",
    ]
    with pytest.raises(BootstrapError):
        load(yaml_text=text)


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("b.yaml", b"- a", "expected an object, got a list"),
        ("b.yaml", b"", "expected an object, got null"),
        ("b.yaml", b"a: [", ":1:.*not YAML"),
        ("b.json", b"static_resources: {}", ":1:1: not JSON"),
        ("b.json", b"{}\n{}", ":2:1: not JSON"),
        ("b.yaml", b"a: \xff", ":1:1: not UTF-8"),
        ("b.pb", b"\xff\xff", "not a serialized envoy.config.bootstrap.v3.Bootstrap"),
        ("b.pb_text", b"node {\n  nope: 1 }", ":2:.*not text protobuf"),
        ("b.pb_text", b"\xff", "not text protobuf"),
    ],
)
def test_unreadable_files(tmp_path: Path, name: str, content: bytes, reason: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(BootstrapError, match=reason):
        load(str(path))


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(BootstrapError, match=r"nope\.yaml: cannot be read: No such file"):
        load(str(tmp_path / "nope.yaml"))
