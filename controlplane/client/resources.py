"""The ways to write a resource in Python, brought to what the API takes.

Here: protobuf messages, `envoy-data-plane` dataclasses and plain dicts with "@type".  Not here: sending (client).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import Message

from controlplane.api.v1 import management_pb2 as api
from controlplane.base.type_url import PREFIX


@runtime_checkable
class Dataclass(Protocol):
    """A message of `envoy-data-plane`, told apart by the module it is from."""

    def SerializeToString(self) -> bytes: ...


ResourceLike = Message | Dataclass | Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Document:
    """A text of YAML or JSON with resources; problems name its source."""

    text: str
    source: str = ""


def apply_request(resources: Iterable[ResourceLike], documents: Iterable[Document]) -> api.ApplyRequest:
    """A request that puts all of these.  Raises TypeError for what is none of them."""
    request = api.ApplyRequest()
    for document in documents:
        request.documents.add(text=document.text, source=document.source)
    for index, resource in enumerate(resources):
        if isinstance(resource, Mapping):
            # JSON is YAML; the server reads and checks it as it would a file.
            request.documents.add(text=json.dumps(resource), source=f"resources[{index}]")
        else:
            request.resources.append(_encoded(resource))
    return request


def _encoded(resource: Message | Dataclass) -> api.EncodedResource:
    match resource:
        case AnyMessage():
            return api.EncodedResource(type_url=resource.type_url, value=resource.value)
        case Message():
            return api.EncodedResource(type_url=PREFIX + resource.DESCRIPTOR.full_name, value=resource.SerializeToString())
        case Dataclass() if type(resource).__module__.startswith("envoy_data_plane."):
            return api.EncodedResource(type_url=_dataclass_type_url(resource), value=resource.SerializeToString())
    raise TypeError(f"{type(resource).__name__} is not a resource: a protobuf message, an envoy-data-plane message or a dict")


def _dataclass_type_url(resource: Dataclass) -> str:
    # Imported late: the package takes a second to load, and only its users should pay.
    from envoy_data_plane.message_pool import default_message_pool

    return str(default_message_pool.type_to_url[type(resource)])
