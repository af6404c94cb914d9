"""BoringSSL's cipher suite names → an OpenSSL cipher list.

Here: names, and which of them our library has.  TLS 1.3 suites are fixed on both sides and are not named in configurations.
Envoy: TlsParameters.cipher_suites; extensions/transport_sockets/tls/context_config_impl.cc for the default.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterable
from functools import cache
from typing import Final

from dataplane.base.errors import ConfigError, FieldPath

DEFAULT_CIPHERS: Final = ":".join(
    (
        "ECDHE-ECDSA-AES128-GCM-SHA256",
        "ECDHE-ECDSA-CHACHA20-POLY1305",
        "ECDHE-RSA-AES128-GCM-SHA256",
        "ECDHE-RSA-CHACHA20-POLY1305",
        "ECDHE-ECDSA-AES256-GCM-SHA384",
        "ECDHE-RSA-AES256-GCM-SHA384",
    )
)

# RFC names and BoringSSL's own, by OpenSSL's.  These are all suites that BoringSSL has below TLS 1.3 and that need no shared secret.
_SUITES: Final = {
    "ECDHE-ECDSA-AES128-GCM-SHA256": "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384": "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
    "ECDHE-ECDSA-CHACHA20-POLY1305": "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256": "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
    "ECDHE-RSA-AES256-GCM-SHA384": "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
    "ECDHE-RSA-CHACHA20-POLY1305": "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
    "ECDHE-ECDSA-AES128-SHA": "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA",
    "ECDHE-ECDSA-AES256-SHA": "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA",
    "ECDHE-RSA-AES128-SHA": "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA",
    "ECDHE-RSA-AES256-SHA": "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA",
    "ECDHE-RSA-AES128-SHA256": "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256",
    "AES128-GCM-SHA256": "TLS_RSA_WITH_AES_128_GCM_SHA256",
    "AES256-GCM-SHA384": "TLS_RSA_WITH_AES_256_GCM_SHA384",
    "AES128-SHA": "TLS_RSA_WITH_AES_128_CBC_SHA",
    "AES256-SHA": "TLS_RSA_WITH_AES_256_CBC_SHA",
}
_BY_NAME: Final = {**{name: name for name in _SUITES}, **{standard: name for name, standard in _SUITES.items()}}


def cipher_list(suites: Iterable[str], at: FieldPath) -> str:
    """*suites* in their order, groups of equal preference `[a|b]` flattened.  Raises ConfigError for what is not known."""
    given = tuple(suites)
    known: list[str] = []
    rejected: list[str] = []
    for suite in given:
        members = [_BY_NAME.get(name.strip(), "") for name in suite.strip("[]").split("|")]
        if all(member and _is_offered(member) for member in members):
            known += members
        else:
            rejected.append(suite)
    if rejected:
        reason = (
            f"Failed to initialize cipher suites {':'.join(given)}. The following ciphers were rejected when tried individually: "
        )
        raise ConfigError(at, reason + ", ".join(rejected))
    return ":".join(dict.fromkeys(known))


@cache
def _is_offered(name: str) -> bool:
    """Whether our OpenSSL was built with the suite."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).set_ciphers(name)
    except ssl.SSLError:
        return False
    return True
