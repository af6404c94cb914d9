"""What a compile function may know beside the message: where errors go, and the few facts of the process that change a result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from envoy.config.core.v3.address_pb2 import BindConfig

from dataplane.base.errors import Problems
from dataplane.observe.log_file import LogFiles
from dataplane.snapshot.listener import RdsSource, SrdsSource
from dataplane.snapshot.secret import SecretReference


@dataclass(slots=True)
class CompileContext:
    """One compilation of one resource.

    problems: collects every error; what a function cannot finish it raises as ConfigError, what it can go on after it adds.
    runtime: values of the static runtime layers by key; they override the defaults of runtime fractions.
    node_id, node_cluster, node_zone: who we are, for format strings and defaults.
    added_via_api: the resource came over xDS and not from the bootstrap.
    internal_listeners: the process can have some (envoy.bootstrap.internal_listener); True where that is not known.
    rds_sources, srds_sources, cluster_names, secret_references: parts of a listener or a cluster add what they need.
    log_files: where access loggers find their files; nothing is opened before the first line is written.
    upstream_bind_config: of the cluster manager, for clusters that say nothing else.
    ticket_seed: of the process and its siblings, see snapshot.tls.DownstreamTls.
    """

    problems: Problems = field(default_factory=Problems)
    runtime: Mapping[str, object] = field(default_factory=dict)
    node_id: str = ""
    node_cluster: str = ""
    node_zone: str = ""
    added_via_api: bool = False
    internal_listeners: bool = True
    log_files: LogFiles = field(default_factory=LogFiles)
    upstream_bind_config: BindConfig | None = None
    ticket_seed: bytes = field(default=b"", repr=False)
    rds_sources: list[RdsSource] = field(default_factory=list)
    srds_sources: list[SrdsSource] = field(default_factory=list)
    cluster_names: set[str] = field(default_factory=set)
    secret_references: set[SecretReference] = field(default_factory=set)
