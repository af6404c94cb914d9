"""Texts of resources."""

from __future__ import annotations

import pytest
from envoy.config.cluster.v3.cluster_pb2 import Cluster
from envoy.config.endpoint.v3.endpoint_pb2 import ClusterLoadAssignment
from envoy.service.discovery.v3.discovery_pb2 import DiscoveryResponse, Resource

from dataplane.base.errors import ConfigError, InvalidResource
from dataplane.bootstrap.resources import ParsedResource, Unreadable, name_of, parse_discovery_response, read_resources

CLUSTER = "type.googleapis.com/envoy.config.cluster.v3.Cluster"


def read(text: str) -> list[ParsedResource]:
    found = list(read_resources(text, "f.yaml"))
    assert all(isinstance(each, ParsedResource) for each in found), found
    return [each for each in found if isinstance(each, ParsedResource)]


def refused(text: str) -> list[tuple[str, int | None, int | None, int | None]]:
    """(error, document, line, column) of each."""
    found = []
    for each in read_resources(text, "f.yaml"):
        if isinstance(each, Unreadable):
            for error in each.errors:
                place = each.source.place(error.at)
                found.append((str(error), each.document, place.line, place.column))
    return found


@pytest.mark.parametrize(
    "text",
    [
        f'"@type": {CLUSTER}\nname: a\n---\n---\n"@type": {CLUSTER}\nname: b\n',
        f'- {{"@type": {CLUSTER}, name: a}}\n- {{"@type": {CLUSTER}, name: b}}\n',
        f'resources:\n- "@type": {CLUSTER}\n  name: a\n- "@type": {CLUSTER}\n  name: b\n',
        f'{{"versionInfo": "1", "resources": [{{"@type": "{CLUSTER}", "name": "a"}}, {{"@type": "{CLUSTER}", "name": "b"}},]}}',
        f'[{{"@type": "{CLUSTER}", "name": "a"}}, {{"@type": "{CLUSTER}", "name": "b"}}]',
        f'{{"@type": {CLUSTER}, name: a}}\n---\n{{"@type": {CLUSTER}, name: b}}\n',
        f'- {{"@type": x/envoy.service.discovery.v3.Resource, name: a, resource: {{"@type": {CLUSTER}, name: a}}}}\n'
        f'- {{"@type": {CLUSTER}, name: b}}\n',
    ],
)
def test_forms(text: str) -> None:
    assert [each.message for each in read(text)] == [Cluster(name="a"), Cluster(name="b")]
    assert [(each.type_url, each.name, str(each.root)) for each in read(text)] == [
        (CLUSTER, "a", "Cluster{a}"),
        (CLUSTER, "b", "Cluster{b}"),
    ]


def test_places() -> None:
    first, second = read(f'"@type": {CLUSTER}\nname: a\n---\n- "@type": {CLUSTER}\n  name: b\n  connect_timeout: 1s\n')
    assert (first.document, first.line) == (0, 1)
    assert (second.document, second.line) == (1, 4)
    place = second.place(second.root / "connect_timeout")
    assert (place.source, place.line, place.column) == ("f.yaml", 6, 20)


def test_nothing_in_it() -> None:
    assert read("") == []
    assert read("---\n---\n") == []
    assert read("resources: []") == []


def test_what_cannot_be_read_does_not_hide_the_rest() -> None:
    text = f'"@type": {CLUSTER}\nname: a\nnope: 1\nconnect_timeout: 5\n---\nname: b\n---\n- 5\n- "@type": {CLUSTER}\n  name: c\n'
    assert [each.name for each in read_resources(text) if isinstance(each, ParsedResource)] == ["c"]
    assert refused(text) == [
        ("Cluster{a}.nope: no such field in envoy.config.cluster.v3.Cluster", 0, 3, 7),
        ("Cluster{a}.connect_timeout: expected a duration such as \"1.5s\", got the number 5", 0, 4, 18),
        ("'@type' is missing: it says which message this is", 1, 6, 1),
        ("expected a resource, an object with '@type', got the number 5", 2, 8, 3),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ('{"@type": 5}', "@type: expected a string, got the number 5"),
        ('{"@type": x/envoy.no.Such, name: a}', "Such{a}.@type: unknown type 'x/envoy.no.Such'"),
        ('{"@type": x/envoy.config.endpoint.v3.ClusterLoadAssignment, clusterName: a, x: 1}',
         "ClusterLoadAssignment{a}.x: no such field in envoy.config.endpoint.v3.ClusterLoadAssignment"),
        ("{}", "expected a resource, an object with '@type', got an object"),
    ],
)  # fmt: skip
def test_unreadable_resources(text: str, error: str) -> None:
    assert [found for found, *_ in refused(text)] == [error]


def test_text_that_is_not_yaml() -> None:
    [(error, document, line, column)] = refused("a: [\n")
    assert error.startswith("not YAML")
    assert (document, line, column) == (None, 2, 1)


def test_what_stands_before_a_syntax_error_is_read() -> None:
    found = list(read_resources(f'"@type": {CLUSTER}\nname: a\n---\n]'))
    assert isinstance(found[0], ParsedResource)
    assert isinstance(found[1], Unreadable)


def test_names() -> None:
    assert name_of(ClusterLoadAssignment(cluster_name="a")) == "a"
    assert name_of(Cluster(name="a")) == "a"
    assert name_of(Resource(name="a")) == "a"
    assert name_of(DiscoveryResponse()) == ""


WANTED = DiscoveryResponse(version_info="1")
WANTED.resources.add().Pack(Cluster(name="a"))


@pytest.mark.parametrize(
    ("data", "path"),
    [
        (f'version_info: "1"\nresources:\n- "@type": {CLUSTER}\n  name: a\n'.encode(), "cds.yaml"),
        (f'{{"version_info": "1", "resources": [{{"@type": "{CLUSTER}", "name": "a"}}], "unknown": 1}}'.encode(), "cds.json"),
        (WANTED.SerializeToString(), "cds.pb"),
    ],
)
def test_discovery_responses(data: bytes, path: str) -> None:
    assert DiscoveryResponse.FromString(parse_discovery_response(data, path)) == WANTED


@pytest.mark.parametrize(
    ("data", "path"), [(b"[", "a.yaml"), (b"resources: 5", "a.yaml"), (b"{", "a.json"), (b"\xff", "a.pb"), (b"\xff", "a.yaml")]
)
def test_no_discovery_responses(data: bytes, path: str) -> None:
    with pytest.raises((ConfigError, InvalidResource)):
        parse_discovery_response(data, path)
