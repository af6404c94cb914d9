"""What we call ourselves, in the forms that peers parse.

Kuma splits the text after `version:` at slashes and wants five parts; Consul takes the first `N.N.N` in it and refuses versions it does
not know, so the number is that of the Envoy whose configuration we speak.  Envoy: `--version`, node.user_agent_build_version.
"""

from __future__ import annotations

from importlib import metadata
from typing import Final

ENVOY_VERSION: Final = "1.40.0"
STATUS: Final = "Clean"
BUILD_TYPE: Final = "RELEASE"
TLS_LIBRARY: Final = "OpenSSL"


def product_version() -> str:
    """The version of this distribution."""
    try:
        return metadata.version("pointsman")
    except metadata.PackageNotFoundError:  # run from a source tree that is not installed
        return "0.0.0"


def revision() -> str:
    """Stands where Envoy prints its commit: it says which product this really is."""
    return f"pointsman-{product_version()}"


def version_string() -> str:
    """`revision/version/status/build_type/ssl`."""
    return "/".join((revision(), ENVOY_VERSION, STATUS, BUILD_TYPE, TLS_LIBRARY))
