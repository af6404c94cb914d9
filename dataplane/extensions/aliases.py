"""Type URLs that do not follow the path rule of api.registry, with the module that holds them (relative to this package)."""

from __future__ import annotations

from typing import Final

MODULES: Final[dict[str, str]] = {
    "envoy.config.upstream.local_address_selector.v3.DefaultLocalAddressSelector": "local_address_selector",
}
