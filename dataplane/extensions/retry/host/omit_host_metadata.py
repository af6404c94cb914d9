"""Retries do not go to hosts with certain metadata.  Envoy: envoy.retry_host_predicates.omit_host_metadata."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from envoy.extensions.retry.host.omit_host_metadata.v3.omit_host_metadata_config_pb2 import OmitHostMetadataConfig

from dataplane.api.registry import extension
from dataplane.base.errors import FieldPath
from dataplane.compile.context import CompileContext
from dataplane.compile.retry_policy import HOST_PREDICATE_KIND, AvoidedHosts
from dataplane.compile.support import supports
from dataplane.compile.units import metadata_dict
from dataplane.resilience.retry import RetriedHost

supports(OmitHostMetadataConfig, "metadata_match")

_NAMESPACE: Final = "envoy.lb"  # of both sides; others count for nothing


@extension(HOST_PREDICATE_KIND, OmitHostMetadataConfig.DESCRIPTOR.full_name)
def compile_config(config: OmitHostMetadataConfig, at: FieldPath, context: CompileContext) -> AvoidedHosts:
    wanted = metadata_dict(config.metadata_match).get(_NAMESPACE, {})
    assert isinstance(wanted, Mapping)

    def has_all(host: RetriedHost) -> bool:
        own = host.metadata.get(_NAMESPACE, {})
        return isinstance(own, Mapping) and all(_matches(own.get(key), value) for key, value in wanted.items())

    return AvoidedHosts(has_all)


def _matches(own: object, wanted: object) -> bool:
    """A list of the host's stands for any of its values."""
    return own == wanted or (isinstance(own, list) and wanted in own)
