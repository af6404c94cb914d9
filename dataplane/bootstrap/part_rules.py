"""Rules between the fields of a bootstrap: names that may be given once, fields that exclude each other.

Not here: shapes (compile.constraints), single parts (compile.bootstrap), references to clusters and secrets (references.py).  The words are
Envoy's.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Final

from envoy.extensions.bootstrap.internal_listener.v3.internal_listener_pb2 import InternalListener

from dataplane.base.address import SocketAddress
from dataplane.base.errors import ConfigError, FieldPath
from dataplane.bootstrap.located import Rule
from dataplane.compile.fields import find_extension, is_ip, type_name

if TYPE_CHECKING:
    from envoy.config.bootstrap.v3.bootstrap_pb2 import Bootstrap

_ROOT = FieldPath()
_INTERNAL_LISTENER: Final = InternalListener.DESCRIPTOR.full_name


def duplicate_names(bootstrap: Bootstrap) -> Iterator[ConfigError]:
    static = bootstrap.static_resources
    clusters = [cluster.name for cluster in static.clusters]
    yield from _repeated(clusters, _ROOT / "static_resources" / "clusters", "cluster manager: duplicate cluster '{}'")
    secrets = [f"{secret.WhichOneof('type')} secret {secret.name}" for secret in static.secrets]
    yield from _repeated(secrets, _ROOT / "static_resources" / "secrets", "duplicate static {}")


def _repeated(names: Iterable[str], at: FieldPath, reason: str) -> Iterator[ConfigError]:
    seen: set[str] = set()
    for index, name in enumerate(names):
        if name in seen:
            yield ConfigError(at / index / "name", reason.format(name))
        seen.add(name)


def listener_addresses(bootstrap: Bootstrap) -> Iterator[ConfigError]:
    """Two listeners bind to one address.  A second listener of the same name replaces the first, and may have its address."""
    taken: dict[str, str] = {}
    owners: set[str] = set()
    for index, listener in enumerate(bootstrap.static_resources.listeners):
        owner = listener.name or f"listener {index}"
        addresses = [_canonical(each) for each in (listener.address, *(more.address for more in listener.additional_addresses))]
        for address in addresses:
            if address in taken and owner not in owners:
                reason = f"error adding listener: '{listener.name}' has duplicate address '{address}' as existing listener '{taken[address]}'"
                yield ConfigError(_ROOT / "static_resources" / "listeners" / index / "address", reason)
        owners.add(owner)
        taken |= {address: owner for address in addresses if address}


def _canonical(address: Any) -> str:
    """What makes two addresses one; empty where the system chooses the port."""
    socket = address.socket_address
    if address.WhichOneof("address") == "pipe":
        return str(address.pipe.path)
    if not socket.port_value or not is_ip(socket.address):
        return ""
    host = str(ipaddress.ip_address(socket.address))
    return f"{SocketAddress(host, socket.port_value)}{'/udp' if socket.protocol == socket.UDP else ''}"


def admin_layers(bootstrap: Bootstrap) -> Iterator[ConfigError]:
    """What `/runtime_modify` writes goes to one layer."""
    found = [index for index, layer in enumerate(bootstrap.layered_runtime.layers) if layer.HasField("admin_layer")]
    for index in found[1:]:
        at = _ROOT / "layered_runtime" / "layers" / index / "admin_layer"
        yield ConfigError(at, "Too many admin layers specified in LayeredRuntime, at most one may be specified")


def stats_flush(bootstrap: Bootstrap) -> Iterator[ConfigError]:
    """Statistics are flushed at intervals or by the admin endpoint."""
    if bootstrap.HasField("stats_flush_interval") and bootstrap.stats_flush_on_admin:
        yield ConfigError(
            _ROOT / "stats_flush_on_admin", "Only one of stats_flush_interval or stats_flush_on_admin should be set!"
        )


def watchdogs(bootstrap: Bootstrap) -> Iterator[ConfigError]:
    """The older field and the newer one say the same."""
    if bootstrap.HasField("watchdog") and bootstrap.HasField("watchdogs"):
        yield ConfigError(_ROOT / "watchdog", "Only one of watchdog or watchdogs should be set!")


def local_cluster(bootstrap: Bootstrap) -> Iterator[ConfigError]:
    name = bootstrap.cluster_manager.local_cluster_name
    if name and all(cluster.name != name for cluster in bootstrap.static_resources.clusters):
        yield ConfigError(_ROOT / "cluster_manager" / "local_cluster_name", f"local cluster '{name}' must be defined")


def json_log_format(bootstrap: Bootstrap) -> Iterator[ConfigError]:
    """A message inside of JSON has to be escaped, so only the escaped flags may stand there."""
    text = str(bootstrap.application_log_config.log_format.json_format)
    for flag in ("%v", "%_"):
        if flag in text:
            at = _ROOT / "application_log_config" / "log_format" / "json_format"
            yield ConfigError(at, f"Usage of {flag} is unavailable for JSON log formats")


def extensions(bootstrap: Bootstrap) -> Iterator[ConfigError]:
    """Extensions of the process itself are of the category that their field asks for."""
    named = [
        ("envoy.bootstrap", each, _ROOT / "bootstrap_extensions" / index)
        for index, each in enumerate(bootstrap.bootstrap_extensions)
    ]
    if bootstrap.HasField("default_regex_engine"):
        named.append(("envoy.regex_engines", bootstrap.default_regex_engine, _ROOT / "default_regex_engine"))
    for kind, config, at in named:
        try:
            find_extension(kind, config.typed_config, config.name, at / "typed_config")
        except ConfigError as error:
            yield error


def internal_listeners(bootstrap: Bootstrap) -> Iterator[ConfigError]:
    """Listeners without a socket need an extension of the process."""
    if any(type_name(each.typed_config) == _INTERNAL_LISTENER for each in bootstrap.bootstrap_extensions):
        return
    for index, listener in enumerate(bootstrap.static_resources.listeners):
        if listener.HasField("internal_listener"):
            reason = f"error adding listener named '{listener.name}': InternalListener bootstrap extension is mandatory"
            yield ConfigError(_ROOT / "static_resources" / "listeners" / index / "internal_listener", reason)


PART_RULES: tuple[Rule, ...] = (
    duplicate_names,
    listener_addresses,
    admin_layers,
    stats_flush,
    watchdogs,
    local_cluster,
    json_log_format,
    extensions,
    internal_listeners,
)
"""All rules of this module."""
