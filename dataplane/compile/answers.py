"""Routes that answer by themselves: RedirectAction and DirectResponseAction."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from envoy.config.route.v3.route_components_pb2 import DirectResponseAction
from envoy.config.route.v3.route_components_pb2 import RedirectAction as RedirectMessage

from dataplane.base.errors import ConfigError, FieldPath
from dataplane.compile.data_source import read_data_source
from dataplane.compile.matcher import compile_substitution
from dataplane.compile.support import supports
from dataplane.matching.path import PathSpecifier
from dataplane.routing.rewrite import Location, replace_prefix
from dataplane.routing.route import DirectResponse, RedirectAction

supports(
    RedirectMessage,
    "https_redirect",
    "scheme_redirect",
    "host_redirect",
    "port_redirect",
    "path_redirect",
    "prefix_rewrite",
    "regex_rewrite",
    "response_code",
    "strip_query",
)
supports(DirectResponseAction, "status", "body")

_STATUS: Final = {
    RedirectMessage.MOVED_PERMANENTLY: 301,
    RedirectMessage.FOUND: 302,
    RedirectMessage.SEE_OTHER: 303,
    RedirectMessage.TEMPORARY_REDIRECT: 307,
    RedirectMessage.PERMANENT_REDIRECT: 308,
}


def compile_redirect(message: RedirectMessage, path: PathSpecifier, at: FieldPath) -> RedirectAction:
    status = _STATUS.get(message.response_code)
    if status is None:
        raise ConfigError(at / "response_code", f"undefined value {message.response_code}")
    location = Location(
        scheme=b"https" if message.https_redirect else message.scheme_redirect.encode(),
        host=message.host_redirect.encode(),
        port=b"%d" % message.port_redirect if message.port_redirect else b"",
        path=message.path_redirect.encode(),
        strip_query=message.strip_query,
    )
    return RedirectAction(status, location, _rewrite(message, path, at))


def _rewrite(message: RedirectMessage, path: PathSpecifier, at: FieldPath) -> Callable[[bytes], bytes] | None:
    kind = message.WhichOneof("path_rewrite_specifier")
    if kind == "regex_rewrite":
        return compile_substitution(message.regex_rewrite, at / "regex_rewrite")
    if kind == "prefix_rewrite" and message.prefix_rewrite:
        return replace_prefix(message.prefix_rewrite.encode(), path.matched_length)
    return None


def compile_direct_response(message: DirectResponseAction, most: int, at: FieldPath) -> DirectResponse:
    """most: greatest size of a body in bytes, 0 for no limit."""
    body = read_data_source(message.body, at / "body")
    if most and len(body) > most:
        raise ConfigError(at / "body", f"response body size is {len(body)} bytes; maximum is {most}")
    return DirectResponse(message.status, body)
