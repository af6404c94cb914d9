"""Takes over the addresses that a load balancer in front of us tells.  Envoy: envoy.filters.listener.proxy_protocol.

Here: the filter, its metadata and its statistics.  Not here: reading the header (semantics.proxy_protocol).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from envoy.config.core.v3.proxy_protocol_pb2 import ProxyProtocolConfig as VersionsMessage
from envoy.config.core.v3.proxy_protocol_pb2 import ProxyProtocolPassThroughTLVs as PassThroughMessage
from envoy.extensions.filters.listener.proxy_protocol.v3.proxy_protocol_pb2 import ProxyProtocol as ProxyProtocolConfig

from dataplane.api.listener_filter import Inspected, Inspection
from dataplane.api.registry import extension
from dataplane.base.errors import ConfigError, FieldPath
from dataplane.compile.context import CompileContext
from dataplane.compile.support import supports
from dataplane.observe.filter_state import text_map
from dataplane.observe.stats import Counter, StatsStore
from dataplane.semantics.proxy_protocol import NoHeader, ProxyHeader, may_be_header, parse_proxy_header

supports(
    ProxyProtocolConfig,
    "rules",
    "allow_requests_without_proxy_protocol",
    "pass_through_tlvs",
    "disallowed_versions",
    "stat_prefix",
    "tlv_location",
)
supports(ProxyProtocolConfig.Rule, "tlv_type", "on_tlv_present")
supports(ProxyProtocolConfig.KeyValuePair, "metadata_namespace", "key")
supports(PassThroughMessage, "match_type", "tlv_type")

_NAMESPACE: Final = "envoy.filters.listener.proxy_protocol"
_STATE: Final = "envoy.network.proxy_protocol.tlv"
_VERSION_NUMBERS: Final = {VersionsMessage.V1: 1, VersionsMessage.V2: 2}


class _Stats:
    """`proxy_proto.` or `proxy_proto.<stat_prefix>.`"""

    def __init__(self, store: StatsStore, prefix: str) -> None:
        scope = store.scope(f"proxy_proto.{prefix}." if prefix else "proxy_proto.")
        self.not_found_allowed: Final = scope.counter("not_found_allowed")
        self.not_found_disallowed: Final = scope.counter("not_found_disallowed")
        self.found: Final = {version: scope.counter(f"versions.v{version}.found") for version in (1, 2)}
        self.disallowed: Final = {version: scope.counter(f"versions.v{version}.disallowed") for version in (1, 2)}
        self.failed: Final[dict[NoHeader, Counter]] = {
            NoHeader.MISSING: self.not_found_disallowed,
            NoHeader.BROKEN_V1: scope.counter("versions.v1.error"),
            NoHeader.BROKEN_V2: scope.counter("versions.v2.error"),
        }


@dataclass(frozen=True, slots=True)
class ProxyProtocolSettings:
    """rules: by TLV type, the namespace and the key of the metadata that its value becomes.  into_state: they become filter state instead.

    versions: those that are welcome.  passed: types of TLVs that upstream connections pass on; None: all.
    """

    rules: Mapping[int, tuple[str, str]]
    versions: tuple[int, ...] = (1, 2)
    may_be_missing: bool = False
    passed: frozenset[int] | None = frozenset()
    stat_prefix: str = ""
    into_state: bool = False


class ProxyProtocol:
    """Implements api.listener_filter.ListenerFilter."""

    def __init__(self, settings: ProxyProtocolSettings) -> None:
        self._settings = settings
        self._stats: _Stats | None = None
        self._store: StatsStore | None = None

    def inspect(self, inspected: Inspected) -> Inspection:
        settings, data = self._settings, inspected.data
        if not data:
            return Inspection.MORE
        stats = self._stats_of(inspected.stats)
        if settings.may_be_missing and not may_be_header(data, settings.versions):
            stats.not_found_allowed.inc()
            return Inspection.DONE
        found = parse_proxy_header(data)
        if found is NoHeader.INCOMPLETE:
            return Inspection.MORE
        if isinstance(found, NoHeader):
            stats.failed[found].inc()
            return Inspection.CLOSE
        stats.found[found.version].inc()
        if found.version not in settings.versions:
            stats.disallowed[found.version].inc()
            return Inspection.CLOSE
        self._take(found, inspected)
        return Inspection.DONE

    def _take(self, header: ProxyHeader, inspected: Inspected) -> None:
        inspected.data = inspected.data[header.length :]
        if header.source is not None and header.destination is not None:
            inspected.introduced = True
            inspected.restored = header.destination != inspected.local_address
            inspected.remote_address, inspected.local_address = header.source, header.destination
        passed = self._settings.passed
        inspected.proxy_protocol_tlvs = tuple(tlv for tlv in header.tlvs if passed is None or tlv[0] in passed)
        if self._settings.into_state:
            self._keep(header, inspected)
            return
        for kind, value in header.tlvs:
            if kind in self._settings.rules:
                namespace, key = self._settings.rules[kind]
                # As Envoy: of several values the first one counts.
                inspected.dynamic_metadata.setdefault(namespace, {}).setdefault(key, _as_text(value))

    def _keep(self, header: ProxyHeader, inspected: Inspected) -> None:
        """As Envoy: of several values the last one counts, and there are no namespaces."""
        rules = self._settings.rules
        values = {rules[kind][1]: _as_text(value) for kind, value in header.tlvs if kind in rules}
        if values:
            inspected.filter_state[_STATE] = text_map(values)

    def _stats_of(self, store: StatsStore) -> _Stats:
        if self._stats is None or self._store is not store:
            self._stats, self._store = _Stats(store, self._settings.stat_prefix), store
        return self._stats


def _as_text(value: bytes) -> str:
    """Bytes that are no UTF-8 become exclamation marks, one each, as in Envoy."""
    decoded = value.decode("utf-8", "surrogateescape")
    return "".join("!" if "\udc80" <= character <= "\udcff" else character for character in decoded)


@extension("envoy.filters.listener", ProxyProtocolConfig.DESCRIPTOR.full_name)
def compile_config(config: ProxyProtocolConfig, at: FieldPath, context: CompileContext) -> ProxyProtocol:
    versions = tuple(number for value, number in _VERSION_NUMBERS.items() if value not in config.disallowed_versions)
    if not versions:
        raise ConfigError(
            at / "disallowed_versions", "Proxy Protocol filter is misconfigured: all proxy protocol versions are disallowed."
        )
    return ProxyProtocol(
        ProxyProtocolSettings(
            rules=_rules(config),
            versions=versions,
            may_be_missing=config.allow_requests_without_proxy_protocol,
            passed=_passed(config),
            stat_prefix=config.stat_prefix,
            into_state=config.tlv_location == ProxyProtocolConfig.FILTER_STATE,
        )
    )


def _rules(config: ProxyProtocolConfig) -> dict[int, tuple[str, str]]:
    """The last rule for a type counts."""
    return {
        rule.tlv_type: (rule.on_tlv_present.metadata_namespace or _NAMESPACE, rule.on_tlv_present.key) for rule in config.rules
    }


def _passed(config: ProxyProtocolConfig) -> frozenset[int] | None:
    if not config.HasField("pass_through_tlvs"):
        return frozenset()
    if config.pass_through_tlvs.match_type == PassThroughMessage.INCLUDE_ALL:
        return None
    return frozenset(config.pass_through_tlvs.tlv_type)
