"""Headers and cookies become dynamic metadata, for balancing, other filters and the log.  Envoy: envoy.filters.http.header_to_metadata."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from envoy.extensions.filters.http.header_to_metadata.v3.header_to_metadata_pb2 import Config

from dataplane.api.http_filter import CONTINUE, FilterStatus, StreamCallbacks
from dataplane.api.registry import extension
from dataplane.base.errors import ConfigError, FieldPath
from dataplane.compile.context import CompileContext
from dataplane.compile.matcher import compile_substitution
from dataplane.compile.support import supports
from dataplane.routing.hash_policy import cookie

if TYPE_CHECKING:
    from dataplane.api.network_filter import ServerContext
    from dataplane.observe.stats import Scope
    from dataplane.semantics.header_map import HeaderMap, RequestHeaders, ResponseHeaders

supports(Config, "request_rules", "response_rules")
supports(Config.Rule, "header", "cookie", "on_header_present", "on_header_missing", "remove")
supports(Config.KeyValuePair, "metadata_namespace", "key", "value", "regex_value_rewrite", type=("STRING", "NUMBER"))
supports(Config.KeyValuePair, encode=("NONE", "BASE64"))

_NAMESPACE: Final = "envoy.filters.http.header_to_metadata"
_MAX_VALUE: Final = 8 * 1024  # bytes; longer values are dropped


@dataclass(frozen=True, slots=True)
class Entry:
    """`KeyValuePair`.  constant: in the place of the header's value, where it is not empty."""

    namespace: str
    key: str
    constant: bytes
    is_number: bool = False
    is_base64: bool = False
    rewrite: Callable[[bytes], bytes] | None = None

    def value(self, found: bytes) -> str | float | None:
        """None where there is nothing to leave."""
        value = self.constant or (found if self.rewrite is None else self.rewrite(found))
        if not value or len(value) >= _MAX_VALUE:
            return None
        try:
            if self.is_base64:
                value = base64.b64decode(value, validate=True)
            if self.is_number:
                number = float(value)
                return int(number) if number.is_integer() else number
        except (ValueError, binascii.Error):
            return None
        return value.decode("utf-8", "replace")


@dataclass(frozen=True, slots=True)
class Rule:
    """`Config.Rule`.  read: the value of the header or cookie, None where it is missing.  remove: the header to take off, b"" for none."""

    read: Callable[[Any], bytes | None]
    present: Entry | None
    missing: Entry | None
    remove: bytes = b""


@dataclass(frozen=True, slots=True)
class HeaderToMetadata:
    """The compiled configuration, of the filter or of a route."""

    request: tuple[Rule, ...]
    response: tuple[Rule, ...]

    def bind(self, server: ServerContext, stats: Scope, name: str) -> HeaderToMetadataFilter:
        return HeaderToMetadataFilter(self, name)


@dataclass(frozen=True, slots=True)
class HeaderToMetadataFilter:
    own: HeaderToMetadata
    name: str

    def decode_headers(self, headers: RequestHeaders, end_stream: bool, stream: StreamCallbacks) -> FilterStatus:
        _apply(self._rules(stream).request, headers, stream)
        return CONTINUE

    def encode_headers(self, headers: ResponseHeaders, end_stream: bool, stream: StreamCallbacks) -> FilterStatus:
        _apply(self._rules(stream).response, headers, stream)
        return CONTINUE

    def _rules(self, stream: StreamCallbacks) -> HeaderToMetadata:
        of_route = stream.filter_config(self.name)
        return of_route if isinstance(of_route, HeaderToMetadata) else self.own


def _apply(rules: tuple[Rule, ...], headers: HeaderMap, stream: StreamCallbacks) -> None:
    for rule in rules:
        found = rule.read(headers)
        entry = rule.missing if found is None else rule.present
        value = None if entry is None else entry.value(found or b"")
        if entry is not None and value is not None:
            stream.info.add_metadata(entry.namespace, {entry.key: value})
        if found is not None and rule.remove:
            headers.remove(rule.remove)


@extension("envoy.filters.http", Config.DESCRIPTOR.full_name)
@extension("envoy.filters.http.route", Config.DESCRIPTOR.full_name)
def compile_config(message: Config, at: FieldPath, context: CompileContext) -> HeaderToMetadata:
    return HeaderToMetadata(
        tuple(_rule(each, at / "request_rules" / index) for index, each in enumerate(message.request_rules)),
        tuple(_rule(each, at / "response_rules" / index) for index, each in enumerate(message.response_rules)),
    )


def _rule(message: Config.Rule, at: FieldPath) -> Rule:
    _check(message, at)
    name = (message.header or message.cookie).encode()
    present, missing = (
        _entry(getattr(message, field), at / field) if message.HasField(field) else None
        for field in ("on_header_present", "on_header_missing")
    )
    if message.cookie:
        return Rule(lambda headers: cookie(headers, name) or None, present, missing)
    name = name.lower()
    return Rule(lambda headers: _header(headers, name), present, missing, name if message.remove else b"")


def _header(headers: HeaderMap, name: bytes) -> bytes | None:
    single = headers.pseudo(name)
    return headers.joined(name) if single is None else single


def _check(message: Config.Rule, at: FieldPath) -> None:
    if message.header and message.cookie:
        raise ConfigError(at, "Cannot specify both header and cookie")
    if not message.header and not message.cookie:
        raise ConfigError(at, "One of Cookie or Header option needs to be specified")
    if not message.HasField("on_header_present") and not message.HasField("on_header_missing"):
        raise ConfigError(at, "has neither `on_header_present` nor `on_header_missing` set")
    if message.HasField("on_header_missing") and not message.on_header_missing.value:
        raise ConfigError(at / "on_header_missing" / "value", "Cannot specify on_header_missing rule with an empty value")
    if message.cookie and message.remove:
        raise ConfigError(at / "remove", "Cannot specify remove for cookie")


def _entry(message: Config.KeyValuePair, at: FieldPath) -> Entry:
    rewrite = None
    if message.HasField("regex_value_rewrite"):
        if message.value:
            raise ConfigError(at / "regex_value_rewrite", "Cannot specify both value and regex_value_rewrite")
        rewrite = compile_substitution(message.regex_value_rewrite, at / "regex_value_rewrite")
    return Entry(
        namespace=message.metadata_namespace or _NAMESPACE,
        key=message.key,
        constant=message.value.encode(),
        is_number=message.type == Config.NUMBER,
        is_base64=message.encode == Config.BASE64,
        rewrite=rewrite,
    )
