"""Headers of which Envoy keeps one field only: a repeated one becomes a value joined by commas.

These are the "inline" headers of its header maps.  The lists were found by sending every candidate twice through Envoy 1.40; headers that it
takes off on the way are left out.  Every other header may stand in a message as often as somebody adds it.
"""

from __future__ import annotations

from typing import Final

from dataplane.semantics.header_map import Field, HeaderMap

REQUEST: Final = frozenset(
    {
        b"accept",
        b"accept-encoding",
        b"access-control-request-headers",
        b"access-control-request-method",
        b"access-control-request-private-network",
        b"authorization",
        b"cache-control",
        b"content-encoding",
        b"content-type",
        b"expect",
        b"grpc-accept-encoding",
        b"grpc-timeout",
        b"if-match",
        b"if-modified-since",
        b"if-none-match",
        b"if-range",
        b"if-unmodified-since",
        b"origin",
        b"pragma",
        b"proxy-status",
        b"referer",
        b"te",
        b"user-agent",
        b"via",
        b"x-client-trace-id",
        b"x-envoy-attempt-count",
        b"x-envoy-decorator-operation",
        b"x-envoy-downstream-service-cluster",
        b"x-envoy-downstream-service-node",
        b"x-envoy-external-address",
        b"x-envoy-is-timeout-retry",
        b"x-envoy-original-host",
        b"x-envoy-original-path",
        b"x-forwarded-client-cert",
        b"x-forwarded-for",
        b"x-forwarded-host",
        b"x-forwarded-port",
        b"x-forwarded-proto",
        b"x-request-id",
    }
)

RESPONSE: Final = frozenset(
    {
        b"access-control-allow-credentials",
        b"access-control-allow-headers",
        b"access-control-allow-methods",
        b"access-control-allow-origin",
        b"access-control-allow-private-network",
        b"access-control-expose-headers",
        b"access-control-max-age",
        b"age",
        b"cache-control",
        b"content-encoding",
        b"content-type",
        b"date",
        b"etag",
        b"expires",
        b"grpc-message",
        b"grpc-status",
        b"last-modified",
        b"location",
        b"proxy-status",
        b"server",
        b"vary",
        b"via",
        b"x-envoy-attempt-count",
        b"x-envoy-decorator-operation",
        b"x-envoy-degraded",
        b"x-envoy-immediate-health-check-fail",
        b"x-envoy-ratelimited",
        b"x-envoy-upstream-canary",
        b"x-envoy-upstream-healthchecked-cluster",
        b"x-envoy-upstream-service-time",
        b"x-request-id",
    }
)


def add(headers: HeaderMap, name: bytes, value: bytes, inline: frozenset[bytes]) -> None:
    """Add a field; where *name* is one of the *inline* headers and there already, its value grows instead."""
    if name in inline:
        known = headers.get(name)
        if known is not None:
            headers.set(name, known + b"," + value)
            return
    headers.add(name, value)


def joined(fields: list[Field], inline: frozenset[bytes]) -> list[Field]:
    """*fields* with the repeated ones among the *inline* headers made one, at the place of the first.  Without any: the list itself."""
    if len(dict(fields)) == len(fields):
        return fields
    places: dict[bytes, int] = {}
    kept: list[Field] = []
    for field in fields:
        name, value = field
        place = places.get(name)
        if place is not None:
            kept[place] = (name, kept[place][1] + b"," + value)
            continue
        if name in inline:
            places[name] = len(kept)
        kept.append(field)
    return kept
