"""Type URLs of the resources xDS delivers, and the short words people write for them.

Here: names only.  Not here: messages (build.messages), the order of delivery (delivery).
"""

from __future__ import annotations

PREFIX = "type.googleapis.com/"

LISTENER = PREFIX + "envoy.config.listener.v3.Listener"
ROUTE_CONFIGURATION = PREFIX + "envoy.config.route.v3.RouteConfiguration"
SCOPED_ROUTE_CONFIGURATION = PREFIX + "envoy.config.route.v3.ScopedRouteConfiguration"
VIRTUAL_HOST = PREFIX + "envoy.config.route.v3.VirtualHost"
CLUSTER = PREFIX + "envoy.config.cluster.v3.Cluster"
CLUSTER_LOAD_ASSIGNMENT = PREFIX + "envoy.config.endpoint.v3.ClusterLoadAssignment"
SECRET = PREFIX + "envoy.extensions.transport_sockets.tls.v3.Secret"
RUNTIME = PREFIX + "envoy.service.runtime.v3.Runtime"
EXTENSION_CONFIG = PREFIX + "envoy.config.core.v3.TypedExtensionConfig"

_WORDS = {
    LISTENER: ("listener", "listeners", "lds"),
    ROUTE_CONFIGURATION: ("route", "routes", "rds", "routeconfiguration"),
    SCOPED_ROUTE_CONFIGURATION: ("scopedroute", "scopedroutes", "srds", "scopedrouteconfiguration"),
    VIRTUAL_HOST: ("virtualhost", "virtualhosts", "vhds"),
    CLUSTER: ("cluster", "clusters", "cds"),
    CLUSTER_LOAD_ASSIGNMENT: ("endpoint", "endpoints", "eds", "clusterloadassignment"),
    SECRET: ("secret", "secrets", "sds"),
    RUNTIME: ("runtime", "runtimes", "rtds"),
    EXTENSION_CONFIG: ("extension", "extensions", "ecds", "typedextensionconfig"),
}
_BY_WORD = {word: type_url for type_url, words in _WORDS.items() for word in words}


def full(word: str) -> str:
    """The type URL meant by `cluster`, `cds`, `envoy.config.cluster.v3.Cluster` or the URL itself; unknown words come back prefixed."""
    known = _BY_WORD.get(word.lower())
    if known is not None:
        return known
    return word if "/" in word else PREFIX + word


def short(type_url: str) -> str:
    """The last part of the message's name: `Cluster`."""
    return message_name(type_url).rpartition(".")[2]


def message_name(type_url: str) -> str:
    """The message's full name: `envoy.config.cluster.v3.Cluster`."""
    return type_url.rpartition("/")[2]
