"""BindConfig → snapshot.cluster.SourceAddress.

Envoy: config.core.v3.{BindConfig, ExtraSourceAddress}; DefaultUpstreamLocalAddressSelector.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from envoy.config.core.v3.address_pb2 import BindConfig, ExtraSourceAddress
from envoy.config.core.v3.address_pb2 import SocketAddress as AddressMessage

from dataplane.base.address import SocketAddress
from dataplane.base.errors import ConfigError, FieldPath
from dataplane.compile.fields import find_extension, is_ip
from dataplane.compile.socket_options import compile_socket_options
from dataplane.compile.support import supports
from dataplane.compile.units import wrapped
from dataplane.snapshot.cluster import SourceAddress
from dataplane.snapshot.socket_option import SocketOption

supports(
    BindConfig,
    "source_address",
    "freebind",
    "socket_options",
    "extra_source_addresses",
    "additional_source_addresses",
    "local_address_selector",
)
supports(ExtraSourceAddress, "address", "socket_options")

SELECTOR_KIND: Final = "envoy.upstream.local_address_selector"


def compile_source_addresses(
    own: BindConfig | None, at: FieldPath, owner: str, everybodys: BindConfig | None = None
) -> tuple[SourceAddress, ...]:
    """own: of the cluster; None where it has none.  everybodys: of the process, whose single settings hold where the cluster says nothing.

    freebind by itself binds nothing.
    """
    bind = own if own is not None else everybodys or BindConfig()
    shared = everybodys or BindConfig()
    freebind = wrapped(own if own is not None and own.HasField("freebind") else shared, "freebind", False)
    options = compile_socket_options(bind.socket_options or shared.socket_options)
    name = f"{owner}'s upstream binding config"
    _check_selector(bind, at)
    extra = tuple(_extra(bind, at, name))
    if not bind.HasField("source_address"):
        if extra:
            reason = "has extra/additional source addresses but no source_address. Extra/additional addresses cannot be specified"
            raise ConfigError(at, f"{name} {reason} if source_address is not set.")
        return (SourceAddress(None, options=options),) if options else ()
    found = (
        SourceAddress(_address(bind.source_address, at / "source_address"), freebind, options),
        *(SourceAddress(address, freebind, options if own_options is None else own_options) for address, own_options in extra),
    )
    _check_versions(found, at, name)
    return found


def _extra(bind: BindConfig, at: FieldPath, name: str) -> Iterator[tuple[SocketAddress, tuple[SocketOption, ...] | None]]:
    """Addresses with options of their own, or None for those of all."""
    if bind.extra_source_addresses and bind.additional_source_addresses:
        raise ConfigError(at, f"Can't specify both `extra_source_addresses` and `additional_source_addresses` in the {name}")
    for index, extra in enumerate(bind.extra_source_addresses):
        options = compile_socket_options(extra.socket_options.socket_options) if extra.HasField("socket_options") else None
        yield _address(extra.address, at / "extra_source_addresses" / index / "address"), options
    for index, address in enumerate(bind.additional_source_addresses):
        yield _address(address, at / "additional_source_addresses" / index), None


def _check_versions(found: tuple[SourceAddress, ...], at: FieldPath, name: str) -> None:
    if len(found) > 2:
        reason = "has more than one extra/additional source addresses. Only one extra/additional source can be supported"
        raise ConfigError(at, f"{name} {reason} in BindConfig's extra_source_addresses/additional_source_addresses field")
    if len({each.address.is_ipv6 for each in found if each.address is not None}) < len(found):
        reason = "has two same IP version source addresses. Only two different IP version source addresses can be supported"
        fields = "source_address and extra_source_addresses/additional_source_addresses"
        raise ConfigError(at, f"{name} {reason} in BindConfig's {fields} fields")


def _address(message: AddressMessage, at: FieldPath) -> SocketAddress:
    if not is_ip(message.address):
        raise ConfigError(at / "address", f"malformed IP address: {message.address}")
    return SocketAddress(message.address, message.port_value)


def _check_selector(bind: BindConfig, at: FieldPath) -> None:
    """There is one selector, and it is what happens without any."""
    if bind.HasField("local_address_selector"):
        selector, place = bind.local_address_selector, at / "local_address_selector" / "typed_config"
        find_extension(SELECTOR_KIND, selector.typed_config, selector.name, place)
