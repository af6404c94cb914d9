"""Texts of Envoy resources → messages: what operators apply to a control plane, and the files of a path_config_source.

A text holds any number of YAML documents, or one JSON value.  Each is a resource with its "@type", a list of those, or an object with
`resources` (a DiscoveryResponse).  Not here: whether a resource is valid (dataplane.validation).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from envoy.service.discovery.v3 import discovery_pb2
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import DecodeError, Message

from dataplane.base.errors import ConfigError, FieldPath, InvalidResource
from dataplane.bootstrap.source import NOWHERE, Place, SourceMap
from dataplane.bootstrap.text import is_protobuf, parse_documents, parse_text, read_protobuf
from dataplane.compile.fields import unpack_typed
from dataplane.compile.from_tree import Conversion, fill
from dataplane.compile.message_types import type_url_of
from dataplane.compile.scalars import kind_of
from dataplane.compile.tree import SyntaxProblem, Value


@dataclass(frozen=True, slots=True)
class ParsedResource:
    """One resource and where it was written.  document: from 0, None for a message that was never a text.  line: of its beginning."""

    type_url: str
    name: str
    message: Message
    document: int | None = None
    line: int | None = None
    source: SourceMap = NOWHERE

    @property
    def root(self) -> FieldPath:
        """`Cluster{a}`: where the paths of this resource's errors begin."""
        return FieldPath(self.message.DESCRIPTOR.name, self.name)

    def place(self, at: FieldPath) -> Place:
        """Where *at*, a path that begins at `root`, is written."""
        return self.source.place(at)


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A resource, or a whole text, that is no message.  errors: with paths from the root of what could be read."""

    errors: tuple[ConfigError, ...]
    document: int | None
    source: SourceMap


def read_resources(text: str, source: str = "") -> Iterator[ParsedResource | Unreadable]:
    """Every resource of *text* in its order, and everything in it that is none."""
    try:
        for number, document in enumerate(parse_documents(text)):
            for value in _resources_of(document):
                yield _read(value, number, SourceMap([(source, value)]))
    except SyntaxProblem as error:
        place = Value(None, error.line, error.column)
        yield Unreadable((ConfigError(FieldPath(), error.reason),), None, SourceMap([(source, place)]))


def name_of(message: Message) -> str:
    """The name a resource is known by in xDS: `cluster_name` of a ClusterLoadAssignment, else `name`."""
    fields = message.DESCRIPTOR.fields_by_name
    for field in ("cluster_name", "name"):
        if field in fields:
            return str(getattr(message, field))
    return ""


def parse_discovery_response(data: bytes, path: str) -> bytes:
    """The file of a path_config_source in any of the forms of a bootstrap → a serialized DiscoveryResponse.

    Raises ConfigError or InvalidResource.
    """
    response = discovery_pb2.DiscoveryResponse()
    if is_protobuf(path):
        read_protobuf(data, path, response)
    else:
        run = Conversion(allow_unknown=True)
        fill(response, parse_text(data, path), FieldPath("DiscoveryResponse"), run)
        run.problems.raise_if_any()
    return bytes(response.SerializeToString())


def _resources_of(document: Value) -> Iterator[Value]:
    content = document.content
    if content is None:
        return  # nothing between two `---`
    if isinstance(content, dict) and isinstance(content.get("resources", document).content, list):
        yield from _resources_of(content["resources"])
    elif isinstance(content, list):
        for item in content:
            yield from _resources_of(item)
    elif (
        isinstance(content, dict) and "resource" in content and _type_of(content).endswith("envoy.service.discovery.v3.Resource")
    ):
        yield content["resource"]
    else:
        yield document


def _type_of(content: dict[str, Value]) -> str:
    stated = content["@type"].content if "@type" in content else ""
    return stated if isinstance(stated, str) else ""


def _read(value: Value, document: int, source: SourceMap) -> ParsedResource | Unreadable:
    if not isinstance(value.content, dict) or not value.content:
        problem = ConfigError(FieldPath(), f"expected a resource, an object with '@type', got {kind_of(value.content)}")
        return Unreadable((problem,), document, source)
    packed, run = AnyMessage(), Conversion()
    fill(packed, value, FieldPath(), run)
    try:
        run.problems.raise_if_any()
        message = unpack_typed(packed, FieldPath())
    except (ConfigError, DecodeError, InvalidResource) as error:
        errors = error.errors if isinstance(error, InvalidResource) else (ConfigError(FieldPath(), str(error)),)
        return Unreadable(_named(errors, value), document, source)
    return ParsedResource(type_url_of(message), name_of(message), message, document, value.line or None, source)


def _named(errors: tuple[ConfigError, ...], value: Value) -> tuple[ConfigError, ...]:
    """The same errors with the resource in front, as far as its type and name can be read."""
    assert isinstance(value.content, dict)
    stated = {
        key: item.content
        for key in ("@type", "name", "cluster_name", "clusterName")
        if (item := value.content.get(key)) is not None
    }
    type_url = stated.pop("@type", "")
    names = [name for name in stated.values() if isinstance(name, str)]
    if not isinstance(type_url, str) or not type_url:
        return errors
    root = FieldPath(type_url.rpartition(".")[2], names[0] if names else "")
    return tuple(ConfigError(_below(root, error.at), error.reason) for error in errors)


def _below(root: FieldPath, at: FieldPath) -> FieldPath:
    for step in at.steps:
        root = root / step
    return root
