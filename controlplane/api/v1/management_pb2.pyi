import datetime

from google.protobuf import any_pb2 as _any_pb2
from google.protobuf import struct_pb2 as _struct_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Document(_message.Message):
    __slots__ = ("text", "source")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    text: str
    source: str
    def __init__(self, text: _Optional[str] = ..., source: _Optional[str] = ...) -> None: ...

class EncodedResource(_message.Message):
    __slots__ = ("type_url", "value")
    TYPE_URL_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    type_url: str
    value: bytes
    def __init__(self, type_url: _Optional[str] = ..., value: _Optional[bytes] = ...) -> None: ...

class ResourceKey(_message.Message):
    __slots__ = ("group", "type_url", "name")
    GROUP_FIELD_NUMBER: _ClassVar[int]
    TYPE_URL_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    group: str
    type_url: str
    name: str
    def __init__(self, group: _Optional[str] = ..., type_url: _Optional[str] = ..., name: _Optional[str] = ...) -> None: ...

class ApplyRequest(_message.Message):
    __slots__ = ("documents", "resources", "deletes", "groups", "group_deletes", "group", "prune", "author", "message", "dry_run", "expected_revision")
    DOCUMENTS_FIELD_NUMBER: _ClassVar[int]
    RESOURCES_FIELD_NUMBER: _ClassVar[int]
    DELETES_FIELD_NUMBER: _ClassVar[int]
    GROUPS_FIELD_NUMBER: _ClassVar[int]
    GROUP_DELETES_FIELD_NUMBER: _ClassVar[int]
    GROUP_FIELD_NUMBER: _ClassVar[int]
    PRUNE_FIELD_NUMBER: _ClassVar[int]
    AUTHOR_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    DRY_RUN_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_REVISION_FIELD_NUMBER: _ClassVar[int]
    documents: _containers.RepeatedCompositeFieldContainer[Document]
    resources: _containers.RepeatedCompositeFieldContainer[EncodedResource]
    deletes: _containers.RepeatedCompositeFieldContainer[ResourceKey]
    groups: _containers.RepeatedCompositeFieldContainer[Group]
    group_deletes: _containers.RepeatedScalarFieldContainer[str]
    group: str
    prune: bool
    author: str
    message: str
    dry_run: bool
    expected_revision: int
    def __init__(self, documents: _Optional[_Iterable[_Union[Document, _Mapping]]] = ..., resources: _Optional[_Iterable[_Union[EncodedResource, _Mapping]]] = ..., deletes: _Optional[_Iterable[_Union[ResourceKey, _Mapping]]] = ..., groups: _Optional[_Iterable[_Union[Group, _Mapping]]] = ..., group_deletes: _Optional[_Iterable[str]] = ..., group: _Optional[str] = ..., prune: _Optional[bool] = ..., author: _Optional[str] = ..., message: _Optional[str] = ..., dry_run: _Optional[bool] = ..., expected_revision: _Optional[int] = ...) -> None: ...

class ApplyResponse(_message.Message):
    __slots__ = ("revision", "unchanged", "dry_run", "changes", "warnings")
    REVISION_FIELD_NUMBER: _ClassVar[int]
    UNCHANGED_FIELD_NUMBER: _ClassVar[int]
    DRY_RUN_FIELD_NUMBER: _ClassVar[int]
    CHANGES_FIELD_NUMBER: _ClassVar[int]
    WARNINGS_FIELD_NUMBER: _ClassVar[int]
    revision: Revision
    unchanged: bool
    dry_run: bool
    changes: _containers.RepeatedCompositeFieldContainer[Change]
    warnings: _containers.RepeatedCompositeFieldContainer[Problem]
    def __init__(self, revision: _Optional[_Union[Revision, _Mapping]] = ..., unchanged: _Optional[bool] = ..., dry_run: _Optional[bool] = ..., changes: _Optional[_Iterable[_Union[Change, _Mapping]]] = ..., warnings: _Optional[_Iterable[_Union[Problem, _Mapping]]] = ...) -> None: ...

class Refusal(_message.Message):
    __slots__ = ("code", "message", "problems")
    CODE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    PROBLEMS_FIELD_NUMBER: _ClassVar[int]
    code: str
    message: str
    problems: _containers.RepeatedCompositeFieldContainer[Problem]
    def __init__(self, code: _Optional[str] = ..., message: _Optional[str] = ..., problems: _Optional[_Iterable[_Union[Problem, _Mapping]]] = ...) -> None: ...

class Problem(_message.Message):
    __slots__ = ("reason", "source", "document", "line", "column", "resource", "path")
    REASON_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    DOCUMENT_FIELD_NUMBER: _ClassVar[int]
    LINE_FIELD_NUMBER: _ClassVar[int]
    COLUMN_FIELD_NUMBER: _ClassVar[int]
    RESOURCE_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    reason: str
    source: str
    document: int
    line: int
    column: int
    resource: str
    path: str
    def __init__(self, reason: _Optional[str] = ..., source: _Optional[str] = ..., document: _Optional[int] = ..., line: _Optional[int] = ..., column: _Optional[int] = ..., resource: _Optional[str] = ..., path: _Optional[str] = ...) -> None: ...

class Change(_message.Message):
    __slots__ = ("kind", "group", "type_url", "name", "diff")
    class Kind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        KIND_UNSPECIFIED: _ClassVar[Change.Kind]
        ADDED: _ClassVar[Change.Kind]
        REMOVED: _ClassVar[Change.Kind]
        CHANGED: _ClassVar[Change.Kind]
    KIND_UNSPECIFIED: Change.Kind
    ADDED: Change.Kind
    REMOVED: Change.Kind
    CHANGED: Change.Kind
    KIND_FIELD_NUMBER: _ClassVar[int]
    GROUP_FIELD_NUMBER: _ClassVar[int]
    TYPE_URL_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    DIFF_FIELD_NUMBER: _ClassVar[int]
    kind: Change.Kind
    group: str
    type_url: str
    name: str
    diff: str
    def __init__(self, kind: _Optional[_Union[Change.Kind, str]] = ..., group: _Optional[str] = ..., type_url: _Optional[str] = ..., name: _Optional[str] = ..., diff: _Optional[str] = ...) -> None: ...

class Resource(_message.Message):
    __slots__ = ("group", "type_url", "name", "version", "body")
    GROUP_FIELD_NUMBER: _ClassVar[int]
    TYPE_URL_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    BODY_FIELD_NUMBER: _ClassVar[int]
    group: str
    type_url: str
    name: str
    version: str
    body: _any_pb2.Any
    def __init__(self, group: _Optional[str] = ..., type_url: _Optional[str] = ..., name: _Optional[str] = ..., version: _Optional[str] = ..., body: _Optional[_Union[_any_pb2.Any, _Mapping]] = ...) -> None: ...

class GetResourceRequest(_message.Message):
    __slots__ = ("group", "type_url", "name", "revision")
    GROUP_FIELD_NUMBER: _ClassVar[int]
    TYPE_URL_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    group: str
    type_url: str
    name: str
    revision: int
    def __init__(self, group: _Optional[str] = ..., type_url: _Optional[str] = ..., name: _Optional[str] = ..., revision: _Optional[int] = ...) -> None: ...

class ListResourcesRequest(_message.Message):
    __slots__ = ("group", "type_url", "name", "revision", "effective", "keys_only")
    GROUP_FIELD_NUMBER: _ClassVar[int]
    TYPE_URL_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    EFFECTIVE_FIELD_NUMBER: _ClassVar[int]
    KEYS_ONLY_FIELD_NUMBER: _ClassVar[int]
    group: str
    type_url: str
    name: str
    revision: int
    effective: bool
    keys_only: bool
    def __init__(self, group: _Optional[str] = ..., type_url: _Optional[str] = ..., name: _Optional[str] = ..., revision: _Optional[int] = ..., effective: _Optional[bool] = ..., keys_only: _Optional[bool] = ...) -> None: ...

class ListResourcesResponse(_message.Message):
    __slots__ = ("revision", "resources")
    REVISION_FIELD_NUMBER: _ClassVar[int]
    RESOURCES_FIELD_NUMBER: _ClassVar[int]
    revision: int
    resources: _containers.RepeatedCompositeFieldContainer[Resource]
    def __init__(self, revision: _Optional[int] = ..., resources: _Optional[_Iterable[_Union[Resource, _Mapping]]] = ...) -> None: ...

class DeleteResourceRequest(_message.Message):
    __slots__ = ("group", "type_url", "name", "author", "message", "dry_run", "expected_revision")
    GROUP_FIELD_NUMBER: _ClassVar[int]
    TYPE_URL_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    AUTHOR_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    DRY_RUN_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_REVISION_FIELD_NUMBER: _ClassVar[int]
    group: str
    type_url: str
    name: str
    author: str
    message: str
    dry_run: bool
    expected_revision: int
    def __init__(self, group: _Optional[str] = ..., type_url: _Optional[str] = ..., name: _Optional[str] = ..., author: _Optional[str] = ..., message: _Optional[str] = ..., dry_run: _Optional[bool] = ..., expected_revision: _Optional[int] = ...) -> None: ...

class Group(_message.Message):
    __slots__ = ("name", "selectors", "priority", "inherits")
    NAME_FIELD_NUMBER: _ClassVar[int]
    SELECTORS_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    INHERITS_FIELD_NUMBER: _ClassVar[int]
    name: str
    selectors: _containers.RepeatedCompositeFieldContainer[Selector]
    priority: int
    inherits: bool
    def __init__(self, name: _Optional[str] = ..., selectors: _Optional[_Iterable[_Union[Selector, _Mapping]]] = ..., priority: _Optional[int] = ..., inherits: _Optional[bool] = ...) -> None: ...

class Selector(_message.Message):
    __slots__ = ("node_ids", "node_clusters", "metadata", "locality")
    class MetadataEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    NODE_IDS_FIELD_NUMBER: _ClassVar[int]
    NODE_CLUSTERS_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    LOCALITY_FIELD_NUMBER: _ClassVar[int]
    node_ids: _containers.RepeatedScalarFieldContainer[str]
    node_clusters: _containers.RepeatedScalarFieldContainer[str]
    metadata: _containers.ScalarMap[str, str]
    locality: Locality
    def __init__(self, node_ids: _Optional[_Iterable[str]] = ..., node_clusters: _Optional[_Iterable[str]] = ..., metadata: _Optional[_Mapping[str, str]] = ..., locality: _Optional[_Union[Locality, _Mapping]] = ...) -> None: ...

class Locality(_message.Message):
    __slots__ = ("region", "zone", "sub_zone")
    REGION_FIELD_NUMBER: _ClassVar[int]
    ZONE_FIELD_NUMBER: _ClassVar[int]
    SUB_ZONE_FIELD_NUMBER: _ClassVar[int]
    region: str
    zone: str
    sub_zone: str
    def __init__(self, region: _Optional[str] = ..., zone: _Optional[str] = ..., sub_zone: _Optional[str] = ...) -> None: ...

class ListGroupsRequest(_message.Message):
    __slots__ = ("revision",)
    REVISION_FIELD_NUMBER: _ClassVar[int]
    revision: int
    def __init__(self, revision: _Optional[int] = ...) -> None: ...

class ListGroupsResponse(_message.Message):
    __slots__ = ("revision", "groups")
    REVISION_FIELD_NUMBER: _ClassVar[int]
    GROUPS_FIELD_NUMBER: _ClassVar[int]
    revision: int
    groups: _containers.RepeatedCompositeFieldContainer[Group]
    def __init__(self, revision: _Optional[int] = ..., groups: _Optional[_Iterable[_Union[Group, _Mapping]]] = ...) -> None: ...

class GetGroupRequest(_message.Message):
    __slots__ = ("name", "revision")
    NAME_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    name: str
    revision: int
    def __init__(self, name: _Optional[str] = ..., revision: _Optional[int] = ...) -> None: ...

class PutGroupRequest(_message.Message):
    __slots__ = ("group", "author", "message", "dry_run", "expected_revision")
    GROUP_FIELD_NUMBER: _ClassVar[int]
    AUTHOR_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    DRY_RUN_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_REVISION_FIELD_NUMBER: _ClassVar[int]
    group: Group
    author: str
    message: str
    dry_run: bool
    expected_revision: int
    def __init__(self, group: _Optional[_Union[Group, _Mapping]] = ..., author: _Optional[str] = ..., message: _Optional[str] = ..., dry_run: _Optional[bool] = ..., expected_revision: _Optional[int] = ...) -> None: ...

class DeleteGroupRequest(_message.Message):
    __slots__ = ("name", "author", "message", "dry_run", "expected_revision")
    NAME_FIELD_NUMBER: _ClassVar[int]
    AUTHOR_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    DRY_RUN_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_REVISION_FIELD_NUMBER: _ClassVar[int]
    name: str
    author: str
    message: str
    dry_run: bool
    expected_revision: int
    def __init__(self, name: _Optional[str] = ..., author: _Optional[str] = ..., message: _Optional[str] = ..., dry_run: _Optional[bool] = ..., expected_revision: _Optional[int] = ...) -> None: ...

class Revision(_message.Message):
    __slots__ = ("number", "author", "message", "created", "restores", "added", "changed", "removed")
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    AUTHOR_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    CREATED_FIELD_NUMBER: _ClassVar[int]
    RESTORES_FIELD_NUMBER: _ClassVar[int]
    ADDED_FIELD_NUMBER: _ClassVar[int]
    CHANGED_FIELD_NUMBER: _ClassVar[int]
    REMOVED_FIELD_NUMBER: _ClassVar[int]
    number: int
    author: str
    message: str
    created: _timestamp_pb2.Timestamp
    restores: int
    added: int
    changed: int
    removed: int
    def __init__(self, number: _Optional[int] = ..., author: _Optional[str] = ..., message: _Optional[str] = ..., created: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., restores: _Optional[int] = ..., added: _Optional[int] = ..., changed: _Optional[int] = ..., removed: _Optional[int] = ...) -> None: ...

class ListRevisionsRequest(_message.Message):
    __slots__ = ("limit", "before")
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    BEFORE_FIELD_NUMBER: _ClassVar[int]
    limit: int
    before: int
    def __init__(self, limit: _Optional[int] = ..., before: _Optional[int] = ...) -> None: ...

class ListRevisionsResponse(_message.Message):
    __slots__ = ("revisions",)
    REVISIONS_FIELD_NUMBER: _ClassVar[int]
    revisions: _containers.RepeatedCompositeFieldContainer[Revision]
    def __init__(self, revisions: _Optional[_Iterable[_Union[Revision, _Mapping]]] = ...) -> None: ...

class GetRevisionRequest(_message.Message):
    __slots__ = ("revision",)
    REVISION_FIELD_NUMBER: _ClassVar[int]
    revision: int
    def __init__(self, revision: _Optional[int] = ...) -> None: ...

class DiffRevisionsRequest(_message.Message):
    __slots__ = ("from_revision", "to_revision")
    FROM_REVISION_FIELD_NUMBER: _ClassVar[int]
    TO_REVISION_FIELD_NUMBER: _ClassVar[int]
    from_revision: int
    to_revision: int
    def __init__(self, from_revision: _Optional[int] = ..., to_revision: _Optional[int] = ...) -> None: ...

class DiffRevisionsResponse(_message.Message):
    __slots__ = ("from_revision", "to_revision", "changes")
    FROM_REVISION_FIELD_NUMBER: _ClassVar[int]
    TO_REVISION_FIELD_NUMBER: _ClassVar[int]
    CHANGES_FIELD_NUMBER: _ClassVar[int]
    from_revision: int
    to_revision: int
    changes: _containers.RepeatedCompositeFieldContainer[Change]
    def __init__(self, from_revision: _Optional[int] = ..., to_revision: _Optional[int] = ..., changes: _Optional[_Iterable[_Union[Change, _Mapping]]] = ...) -> None: ...

class RollBackRequest(_message.Message):
    __slots__ = ("revision", "author", "message", "dry_run", "expected_revision")
    REVISION_FIELD_NUMBER: _ClassVar[int]
    AUTHOR_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    DRY_RUN_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_REVISION_FIELD_NUMBER: _ClassVar[int]
    revision: int
    author: str
    message: str
    dry_run: bool
    expected_revision: int
    def __init__(self, revision: _Optional[int] = ..., author: _Optional[str] = ..., message: _Optional[str] = ..., dry_run: _Optional[bool] = ..., expected_revision: _Optional[int] = ...) -> None: ...

class Proxy(_message.Message):
    __slots__ = ("proxy_id", "node_id", "node_cluster", "locality", "metadata", "user_agent", "group", "peer", "streams", "connected_since", "disconnected_at", "target_revision", "ready_revision", "types")
    PROXY_ID_FIELD_NUMBER: _ClassVar[int]
    NODE_ID_FIELD_NUMBER: _ClassVar[int]
    NODE_CLUSTER_FIELD_NUMBER: _ClassVar[int]
    LOCALITY_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    USER_AGENT_FIELD_NUMBER: _ClassVar[int]
    GROUP_FIELD_NUMBER: _ClassVar[int]
    PEER_FIELD_NUMBER: _ClassVar[int]
    STREAMS_FIELD_NUMBER: _ClassVar[int]
    CONNECTED_SINCE_FIELD_NUMBER: _ClassVar[int]
    DISCONNECTED_AT_FIELD_NUMBER: _ClassVar[int]
    TARGET_REVISION_FIELD_NUMBER: _ClassVar[int]
    READY_REVISION_FIELD_NUMBER: _ClassVar[int]
    TYPES_FIELD_NUMBER: _ClassVar[int]
    proxy_id: int
    node_id: str
    node_cluster: str
    locality: Locality
    metadata: _struct_pb2.Struct
    user_agent: str
    group: str
    peer: str
    streams: _containers.RepeatedScalarFieldContainer[str]
    connected_since: _timestamp_pb2.Timestamp
    disconnected_at: _timestamp_pb2.Timestamp
    target_revision: int
    ready_revision: int
    types: _containers.RepeatedCompositeFieldContainer[ProxyType]
    def __init__(self, proxy_id: _Optional[int] = ..., node_id: _Optional[str] = ..., node_cluster: _Optional[str] = ..., locality: _Optional[_Union[Locality, _Mapping]] = ..., metadata: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., user_agent: _Optional[str] = ..., group: _Optional[str] = ..., peer: _Optional[str] = ..., streams: _Optional[_Iterable[str]] = ..., connected_since: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., disconnected_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., target_revision: _Optional[int] = ..., ready_revision: _Optional[int] = ..., types: _Optional[_Iterable[_Union[ProxyType, _Mapping]]] = ...) -> None: ...

class ProxyType(_message.Message):
    __slots__ = ("type_url", "sent_version", "sent_revision", "acked_version", "acked_revision", "acked_at", "nacked_version", "nacked_revision", "nacked_at", "nack_text", "rejecting", "names", "wildcard", "held")
    TYPE_URL_FIELD_NUMBER: _ClassVar[int]
    SENT_VERSION_FIELD_NUMBER: _ClassVar[int]
    SENT_REVISION_FIELD_NUMBER: _ClassVar[int]
    ACKED_VERSION_FIELD_NUMBER: _ClassVar[int]
    ACKED_REVISION_FIELD_NUMBER: _ClassVar[int]
    ACKED_AT_FIELD_NUMBER: _ClassVar[int]
    NACKED_VERSION_FIELD_NUMBER: _ClassVar[int]
    NACKED_REVISION_FIELD_NUMBER: _ClassVar[int]
    NACKED_AT_FIELD_NUMBER: _ClassVar[int]
    NACK_TEXT_FIELD_NUMBER: _ClassVar[int]
    REJECTING_FIELD_NUMBER: _ClassVar[int]
    NAMES_FIELD_NUMBER: _ClassVar[int]
    WILDCARD_FIELD_NUMBER: _ClassVar[int]
    HELD_FIELD_NUMBER: _ClassVar[int]
    type_url: str
    sent_version: str
    sent_revision: int
    acked_version: str
    acked_revision: int
    acked_at: _timestamp_pb2.Timestamp
    nacked_version: str
    nacked_revision: int
    nacked_at: _timestamp_pb2.Timestamp
    nack_text: str
    rejecting: bool
    names: int
    wildcard: bool
    held: int
    def __init__(self, type_url: _Optional[str] = ..., sent_version: _Optional[str] = ..., sent_revision: _Optional[int] = ..., acked_version: _Optional[str] = ..., acked_revision: _Optional[int] = ..., acked_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., nacked_version: _Optional[str] = ..., nacked_revision: _Optional[int] = ..., nacked_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., nack_text: _Optional[str] = ..., rejecting: _Optional[bool] = ..., names: _Optional[int] = ..., wildcard: _Optional[bool] = ..., held: _Optional[int] = ...) -> None: ...

class ListProxiesRequest(_message.Message):
    __slots__ = ("group",)
    GROUP_FIELD_NUMBER: _ClassVar[int]
    group: str
    def __init__(self, group: _Optional[str] = ...) -> None: ...

class ListProxiesResponse(_message.Message):
    __slots__ = ("revision", "proxies")
    REVISION_FIELD_NUMBER: _ClassVar[int]
    PROXIES_FIELD_NUMBER: _ClassVar[int]
    revision: int
    proxies: _containers.RepeatedCompositeFieldContainer[Proxy]
    def __init__(self, revision: _Optional[int] = ..., proxies: _Optional[_Iterable[_Union[Proxy, _Mapping]]] = ...) -> None: ...

class StreamEventsRequest(_message.Message):
    __slots__ = ("group",)
    GROUP_FIELD_NUMBER: _ClassVar[int]
    group: str
    def __init__(self, group: _Optional[str] = ...) -> None: ...

class Event(_message.Message):
    __slots__ = ("time", "kind", "revision", "node_id", "group", "type_url", "version", "text", "proxy_id")
    TIME_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    NODE_ID_FIELD_NUMBER: _ClassVar[int]
    GROUP_FIELD_NUMBER: _ClassVar[int]
    TYPE_URL_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    PROXY_ID_FIELD_NUMBER: _ClassVar[int]
    time: _timestamp_pb2.Timestamp
    kind: str
    revision: int
    node_id: str
    group: str
    type_url: str
    version: str
    text: str
    proxy_id: int
    def __init__(self, time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., kind: _Optional[str] = ..., revision: _Optional[int] = ..., node_id: _Optional[str] = ..., group: _Optional[str] = ..., type_url: _Optional[str] = ..., version: _Optional[str] = ..., text: _Optional[str] = ..., proxy_id: _Optional[int] = ...) -> None: ...
