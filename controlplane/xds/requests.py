"""Discovery requests from protobuf to the plain values that delivery works with.

Here: reading DiscoveryRequest, DeltaDiscoveryRequest and Node.  Not here: streams (ads_service), meaning (delivery).
"""

from __future__ import annotations

from typing import Any

from google.protobuf.json_format import MessageToDict

from controlplane.delivery.delta import DeltaRequest
from controlplane.delivery.sotw import SotwRequest
from controlplane.delivery.status import Locality, NodeFacts


class InvalidRequest(Exception):
    """The client broke the protocol; the text is the status message it gets."""


def sotw_request(message: Any, only_type: str) -> SotwRequest:
    """only_type: the one type of a per-type service; empty for ADS."""
    return SotwRequest(
        type_url=_type_url(message, only_type),
        names=tuple(message.resource_names),
        version=message.version_info,
        nonce=message.response_nonce,
        error=_error(message),
    )


def delta_request(message: Any, only_type: str) -> DeltaRequest:
    """only_type: the one type of a per-type service; empty for ADS."""
    return DeltaRequest(
        type_url=_type_url(message, only_type),
        subscribe=tuple(message.resource_names_subscribe),
        unsubscribe=tuple(message.resource_names_unsubscribe),
        initial_versions=dict(message.initial_resource_versions),
        nonce=message.response_nonce,
        error=_error(message),
    )


def node_facts(message: Any) -> NodeFacts:
    """Who is asking, from the first request of a stream."""
    if not message.HasField("node"):
        raise InvalidRequest("the first request of a stream must carry node")
    node = message.node
    if not node.id:
        raise InvalidRequest("node.id must not be empty")
    locality = node.locality
    return NodeFacts(
        node_id=node.id,
        node_cluster=node.cluster,
        locality=Locality(locality.region, locality.zone, locality.sub_zone),
        metadata=MessageToDict(node.metadata),
        user_agent_name=node.user_agent_name,
        user_agent_version=_user_agent_version(node),
    )


def _type_url(message: Any, only_type: str) -> str:
    type_url = str(message.type_url)
    if not only_type:
        if not type_url:
            raise InvalidRequest("type_url must not be empty on an aggregated stream")
        return type_url
    if type_url not in ("", only_type):
        raise InvalidRequest(f"type_url is {type_url}, but this service serves {only_type}")
    return only_type


def _error(message: Any) -> str | None:
    if not message.HasField("error_detail"):
        return None
    detail = message.error_detail
    return detail.message or f"code {detail.code}, no message"


def _user_agent_version(node: Any) -> str:
    """`user_agent_version`, or the numbers of `user_agent_build_version`, which Envoy sends in its place."""
    if node.WhichOneof("user_agent_version_type") == "user_agent_build_version":
        version = node.user_agent_build_version.version
        return f"{version.major_number}.{version.minor_number}.{version.patch}"
    return str(node.user_agent_version)
