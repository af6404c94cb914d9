"""x-forwarded-for says who asks, as far as proxies in front of us are trusted.  Envoy: envoy.http.original_ip_detection.xff."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from envoy.extensions.http.original_ip_detection.xff.v3.xff_pb2 import XffConfig, XffTrustedCidrs

from dataplane.api.original_ip import Detection
from dataplane.api.registry import extension
from dataplane.base.address import SocketAddress
from dataplane.base.errors import ConfigError, FieldPath
from dataplane.compile.context import CompileContext
from dataplane.compile.filter_chain import compile_ranges
from dataplane.compile.original_ip import KIND
from dataplane.compile.support import supports
from dataplane.compile.units import wrapped
from dataplane.matching.cidr import CidrSet, parse_address
from dataplane.semantics import forwarded

if TYPE_CHECKING:
    from dataplane.base.address import Address
    from dataplane.semantics.header_map import RequestHeaders

supports(XffConfig, "xff_num_trusted_hops", "xff_trusted_cidrs", "skip_xff_append")
supports(XffTrustedCidrs, "cidrs")


@dataclass(frozen=True, slots=True)
class TrustedHops:
    """Implements api.original_ip.IpDetector: so many proxies are trusted.  append: we add who they are."""

    hops: int = 0
    append: bool = False

    def detect(self, headers: RequestHeaders, peer: Address) -> Detection:
        address, alone = forwarded.last_address(headers, self.hops)
        return Detection(address, alone, append=self.append)


@dataclass(frozen=True, slots=True)
class TrustedNetworks:
    """Implements api.original_ip.IpDetector: proxies of some networks are trusted, and nobody else."""

    networks: CidrSet
    append: bool = False

    def detect(self, headers: RequestHeaders, peer: Address) -> Detection:
        """As in Envoy, the address of a peer that is not trusted is always added."""
        if not isinstance(peer, SocketAddress) or parse_address(peer.host) not in self.networks:
            return Detection(None, append=True)
        address, alone = forwarded.first_untrusted(headers, self.networks)
        return Detection(address, alone, append=self.append)


@extension(KIND, XffConfig.DESCRIPTOR.full_name)
def compile_config(config: XffConfig, at: FieldPath, context: CompileContext) -> TrustedHops | TrustedNetworks:
    append = not wrapped(config, "skip_xff_append", True)
    if not config.HasField("xff_trusted_cidrs"):
        return TrustedHops(config.xff_num_trusted_hops, append)
    if config.xff_num_trusted_hops:
        raise ConfigError(at / "xff_trusted_cidrs", "Cannot set both xff_num_trusted_hops and xff_trusted_cidrs")
    networks = compile_ranges(config.xff_trusted_cidrs.cidrs, at / "xff_trusted_cidrs" / "cidrs")
    return TrustedNetworks(CidrSet(networks), append) if networks else TrustedHops(0, append)
