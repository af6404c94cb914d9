"""The service's values as messages of the API, and requests as the service's values.

Here: field by field, no decisions.  Not here: JSON (json_form), what is done with a request (operations).
"""

from __future__ import annotations

from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.json_format import ParseDict
from google.protobuf.struct_pb2 import Struct
from google.protobuf.timestamp_pb2 import Timestamp

from controlplane.api.v1 import management_pb2 as api
from controlplane.base.errors import Problem
from controlplane.base.group import Group, Selector
from controlplane.base.resource import DEFAULT_GROUP, GroupName, Resource
from controlplane.base.type_url import full
from controlplane.build.preflight import Document, EncodedResource
from controlplane.build.render import group_yaml, resource_yaml, unified_diff
from controlplane.delivery.status import ProxyStatus, TypeStatus
from controlplane.revisions.configuration import ResourceKey
from controlplane.revisions.diff import Difference, GroupChange, ResourceChange
from controlplane.revisions.record import RevisionInfo
from controlplane.service.events import Event
from controlplane.service.management import Edit, Outcome

_KINDS = {"added": api.Change.ADDED, "removed": api.Change.REMOVED, "changed": api.Change.CHANGED}


def group_name(text: str) -> GroupName:
    """Empty means `default`, everywhere in the API where one group is meant."""
    return GroupName(text) if text else DEFAULT_GROUP


def resource_key(message: api.ResourceKey | api.GetResourceRequest | api.DeleteResourceRequest) -> ResourceKey:
    return ResourceKey(group_name(message.group), full(message.type_url), message.name)


def edit(request: api.ApplyRequest) -> Edit:
    return Edit(
        documents=tuple(Document(document.text, document.source) for document in request.documents),
        encoded=tuple(EncodedResource(full(resource.type_url), resource.value) for resource in request.resources),
        deletes=frozenset(map(resource_key, request.deletes)),
        groups=tuple(map(group, request.groups)),
        group_deletes=frozenset(map(GroupName, request.group_deletes)),
        group=group_name(request.group),
        prune=request.prune,
    )


def group(message: api.Group) -> Group:
    inherits = message.inherits if message.HasField("inherits") else True
    return Group(GroupName(message.name), tuple(map(_selector, message.selectors)), message.priority, inherits)


def group_message(value: Group) -> api.Group:
    selectors = map(_selector_message, value.selectors)
    return api.Group(name=value.name, selectors=selectors, priority=value.priority, inherits=value.inherits)


def problem_message(problem: Problem) -> api.Problem:
    return api.Problem(
        reason=problem.reason,
        source=problem.source,
        document=problem.document,
        line=problem.line,
        column=problem.column,
        resource=problem.resource,
        path=problem.path,
    )


def revision_message(info: RevisionInfo) -> api.Revision:
    return api.Revision(
        number=info.revision,
        author=info.author,
        message=info.message,
        created=timestamp(info.created),
        restores=info.restores,
        added=info.added,
        changed=info.changed,
        removed=info.removed,
    )


def outcome_message(outcome: Outcome) -> api.ApplyResponse:
    return api.ApplyResponse(
        revision=revision_message(outcome.info),
        unchanged=outcome.unchanged,
        dry_run=outcome.dry_run,
        changes=change_messages(outcome.difference, with_diff=outcome.dry_run),
        warnings=map(problem_message, outcome.warnings),
    )


def change_messages(difference: Difference, *, with_diff: bool) -> list[api.Change]:
    groups = [_group_change(change, with_diff) for change in difference.groups]
    return groups + [_resource_change(change, with_diff) for change in difference.resources]


def resource_message(key: ResourceKey, resource: Resource, *, with_body: bool = True) -> api.Resource:
    message = api.Resource(group=key.group, type_url=key.type_url, name=key.name, version=resource.version)
    if with_body:
        message.body.CopyFrom(AnyMessage(type_url=resource.type_url, value=resource.body))
    return message


def proxy_message(status: ProxyStatus) -> api.Proxy:
    node = status.node
    return api.Proxy(
        proxy_id=status.proxy_id,
        node_id=node.node_id,
        node_cluster=node.node_cluster,
        locality=api.Locality(region=node.locality.region, zone=node.locality.zone, sub_zone=node.locality.sub_zone),
        metadata=ParseDict(dict(node.metadata), Struct()),
        user_agent=f"{node.user_agent_name} {node.user_agent_version}".strip(),
        group=status.group,
        peer=status.peer,
        streams=[kind.value for kind in status.kinds],
        connected_since=timestamp(status.connected_since),
        disconnected_at=None if status.disconnected_at is None else timestamp(status.disconnected_at),
        target_revision=status.target_revision,
        ready_revision=status.ready_revision,
        types=map(_type_message, status.types),
    )


def event_message(event: Event) -> api.Event:
    return api.Event(
        time=timestamp(event.time),
        kind=event.kind,
        revision=event.revision,
        node_id=event.node_id,
        group=event.group,
        type_url=event.type_url,
        version=event.version,
        text=event.text,
        proxy_id=event.proxy_id,
    )


def timestamp(wall: float) -> Timestamp:
    stamp = Timestamp()
    stamp.FromMilliseconds(round(wall * 1000))
    return stamp


def _selector(message: api.Selector) -> Selector:
    return Selector(
        tuple(message.node_ids),
        tuple(message.node_clusters),
        tuple(sorted(message.metadata.items())),
        message.locality.region,
        message.locality.zone,
        message.locality.sub_zone,
    )


def _selector_message(value: Selector) -> api.Selector:
    return api.Selector(
        node_ids=value.node_ids,
        node_clusters=value.node_clusters,
        metadata=dict(value.metadata),
        locality=api.Locality(region=value.region, zone=value.zone, sub_zone=value.sub_zone),
    )


def _group_change(change: GroupChange, with_diff: bool) -> api.Change:
    before, after = (group_yaml(group) if group and with_diff else "" for group in (change.before, change.after))
    return api.Change(kind=_KINDS[change.kind], group=change.name, diff=unified_diff(before, after, f"group/{change.name}"))


def _resource_change(change: ResourceChange, with_diff: bool) -> api.Change:
    key = change.key
    before, after = (resource_yaml(resource) if resource and with_diff else "" for resource in (change.before, change.after))
    return api.Change(
        kind=_KINDS[change.kind],
        group=key.group,
        type_url=key.type_url,
        name=key.name,
        diff=unified_diff(before, after, "/".join((key.group, key.type_url.rpartition(".")[2], key.name))),
    )


def _type_message(status: TypeStatus) -> api.ProxyType:
    return api.ProxyType(
        type_url=status.type_url,
        sent_version=status.sent_version,
        sent_revision=status.sent_revision,
        acked_version=status.acked_version,
        acked_revision=status.acked_revision,
        acked_at=timestamp(status.acked_at) if status.acked_at else None,
        nacked_version=status.nacked_version,
        nacked_revision=status.nacked_revision,
        nacked_at=timestamp(status.nacked_at) if status.nacked_at else None,
        nack_text=status.nack_text,
        rejecting=status.rejecting,
        names=status.names,
        wildcard=status.wildcard,
        held=status.held,
    )
