"""Compresses bodies of responses, and of requests where that is asked for.  Envoy: envoy.filters.http.compressor.

Several of these filters may stand in a chain, one for each encoding: together they decide which of them acts.
Not here: the encodings (extensions.compression), the client's choice (extensions.common.accept_encoding).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

from envoy.config.core.v3.base_pb2 import RuntimeFeatureFlag
from envoy.extensions.filters.http.compressor.v3.compressor_pb2 import Compressor as CompressorMessage

from dataplane.api.http_filter import CONTINUE, FilterStatus, StreamCallbacks
from dataplane.api.registry import extension
from dataplane.base.errors import FieldPath
from dataplane.compile.context import CompileContext
from dataplane.compile.fields import find_extension
from dataplane.compile.support import supports
from dataplane.compile.units import wrapped
from dataplane.extensions.common.accept_encoding import Choice, Why, choose
from dataplane.extensions.common.compression import COMPRESSOR_KIND, Compressor, CompressorLibrary

if TYPE_CHECKING:
    from dataplane.api.network_filter import ServerContext
    from dataplane.observe.stats import Counter, Scope
    from dataplane.semantics.header_map import HeaderMap, RequestHeaders, ResponseHeaders

supports(CompressorMessage, "compressor_library", "request_direction_config", "response_direction_config")
supports(CompressorMessage.RequestDirectionConfig, "common_config")
supports(
    CompressorMessage.ResponseDirectionConfig,
    "common_config",
    "disable_on_etag_header",
    "remove_accept_encoding_header",
    "uncompressible_response_codes",
)
supports(CompressorMessage.CommonDirectionConfig, "enabled", "min_content_length", "content_type")
supports(RuntimeFeatureFlag, "default_value", "runtime_key")

_MIN_CONTENT_LENGTH: Final = 30
_CONTENT_TYPES: Final = frozenset(
    b"text/html text/plain text/css application/javascript application/x-javascript text/javascript text/x-javascript"
    b" text/ecmascript text/js text/jscript text/x-js application/ecmascript application/x-json application/xml application/json"
    b" image/svg+xml text/xml application/xhtml+xml".split()
)
_STATE: Final = "envoy.compressors"


@dataclass(frozen=True, slots=True)
class Direction:
    """`CommonDirectionConfig`.  prefix: of its statistics."""

    enabled: bool
    prefix: str
    min_content_length: int = _MIN_CONTENT_LENGTH
    content_types: frozenset[bytes] = _CONTENT_TYPES

    def takes(self, headers: HeaderMap) -> bool:
        """Whether bodies of that content type are compressed."""
        content_type = headers.get(b"content-type")
        return not content_type or content_type.partition(b";")[0].strip().lower() in self.content_types


@dataclass(frozen=True, slots=True)
class CompressorConfig:
    """The compiled configuration."""

    library_name: str
    library: CompressorLibrary
    request: Direction
    response: Direction
    disable_on_etag: bool = False
    remove_accept_encoding: bool = False
    uncompressible: frozenset[int] = frozenset()

    def bind(self, server: ServerContext, stats: Scope, name: str) -> CompressorFilter:
        return CompressorFilter(self, stats.scope(f"compressor.{self.library_name}.{self.library.stat_name}."))


class DirectionStats:
    """The counters of one direction."""

    __slots__ = ("bytes_in", "bytes_out", "compressed", "not_compressed", "too_small")

    def __init__(self, scope: Scope) -> None:
        self.compressed = scope.counter("compressed")
        self.not_compressed = scope.counter("not_compressed")
        self.too_small = scope.counter("content_length_too_small")
        self.bytes_in = scope.counter("total_uncompressed_bytes")
        self.bytes_out = scope.counter("total_compressed_bytes")


class CompressorFilter:
    """One filter of a connection manager."""

    __slots__ = ("config", "etag", "no_accept_header", "overshadowed", "request", "response", "why")

    def __init__(self, config: CompressorConfig, scope: Scope) -> None:
        self.config = config
        self.request = DirectionStats(scope.scope(config.request.prefix))
        self.response = DirectionStats(scope.scope(config.response.prefix))
        self.etag: Counter = scope.counter("not_compressed_etag")
        self.no_accept_header: Counter = scope.counter("no_accept_header")
        self.overshadowed: Counter = scope.counter("header_compressor_overshadowed")
        self.why: dict[Why, Counter] = {why: scope.counter(why.value) for why in Why}

    def new_stream(self) -> CompressorStream:
        return CompressorStream(self)


@dataclass(slots=True)
class _Shared:
    """What the compressors of one stream decide together."""

    configs: list[CompressorConfig]
    choice: Choice | None = None


class _Body:
    """A body under way through a compressor."""

    __slots__ = ("_compressor", "_stats")

    def __init__(self, library: CompressorLibrary, stats: DirectionStats) -> None:
        self._compressor: Compressor = library.make()
        self._stats = stats

    def piece(self, data: bytes, last: bool) -> bytes:
        self._stats.bytes_in.inc(len(data))
        compressed = self._compressor.finish(data) if last else self._compressor.compress(data)
        self._stats.bytes_out.inc(len(compressed))
        return compressed


class CompressorStream:
    """One stream.  Bodies are None where they are not compressed."""

    __slots__ = ("_accept_encoding", "_filter", "_request", "_response", "_shared")

    def __init__(self, bound: CompressorFilter) -> None:
        self._filter = bound
        self._accept_encoding: bytes | None = None
        self._shared: _Shared | None = None
        self._request: _Body | None = None
        self._response: _Body | None = None

    def decode_headers(self, headers: RequestHeaders, end_stream: bool, stream: StreamCallbacks) -> FilterStatus:
        bound, config = self._filter, self._filter.config
        self._accept_encoding = headers.joined(b"accept-encoding")
        if self._accept_encoding is not None:
            self._register(stream)
            if config.remove_accept_encoding:
                headers.remove(b"accept-encoding")
        fits = not end_stream and config.request.enabled and _is_long_enough(config.request, bound.request, headers)
        if fits and config.request.takes(headers) and b"content-encoding" not in headers:
            self._request = _begin(headers, config.library, bound.request)
        else:
            bound.request.not_compressed.inc()
        return CONTINUE

    def decode_data(self, data: bytes, end_stream: bool, stream: StreamCallbacks) -> FilterStatus | bytes:
        return CONTINUE if self._request is None else self._request.piece(data, end_stream)

    def decode_trailers(self, trailers: HeaderMap, stream: StreamCallbacks) -> FilterStatus | bytes:
        return CONTINUE if self._request is None else self._request.piece(b"", True)

    def encode_headers(self, headers: ResponseHeaders, end_stream: bool, stream: StreamCallbacks) -> FilterStatus:
        bound, config = self._filter, self._filter.config
        long_enough = config.response.enabled and _is_long_enough(config.response, bound.response, headers)
        compressible = long_enough and self._is_compressible(headers)
        if not end_stream and long_enough and self._is_chosen(headers) and compressible:
            if not (headers.get(b"etag") or b"W/").startswith((b"W/", b"w/")):
                headers.remove(b"etag")  # a strong one would be a lie: the bytes differ
            self._response = _begin(headers, config.library, bound.response)
        else:
            bound.response.not_compressed.inc()
        if compressible:
            _vary(headers)
        return CONTINUE

    def encode_data(self, data: bytes, end_stream: bool, stream: StreamCallbacks) -> FilterStatus | bytes:
        return CONTINUE if self._response is None else self._response.piece(data, end_stream)

    def encode_trailers(self, trailers: HeaderMap, stream: StreamCallbacks) -> FilterStatus | bytes:
        return CONTINUE if self._response is None else self._response.piece(b"", True)

    def _register(self, stream: StreamCallbacks) -> None:
        info = stream.info
        state = info.filter_state = {} if info.filter_state is None else info.filter_state
        self._shared = cast("_Shared", state.setdefault(_STATE, _Shared([])))
        self._shared.configs.append(self._filter.config)

    def _is_compressible(self, headers: ResponseHeaders) -> bool:
        config = self._filter.config
        if not config.response.takes(headers) or b"no-transform" in (headers.joined(b"cache-control") or b"").lower():
            return False
        if config.disable_on_etag and b"etag" in headers:
            self._filter.etag.inc()
            return False
        upgraded = headers.status == 101 or b"upgrade" in headers
        return not upgraded and b"content-encoding" not in headers and headers.status not in config.uncompressible

    def _is_chosen(self, headers: ResponseHeaders) -> bool:
        """Whether this is the filter that acts.  Decided once for all of them, by the first that is asked."""
        bound, shared = self._filter, self._shared
        if self._accept_encoding is None or shared is None:
            bound.no_accept_header.inc()
            return False
        if shared.choice is None:
            offered = [each.library.encoding for each in shared.configs if each.response.takes(headers)]
            shared.choice = choose(self._accept_encoding, offered)
        encoding, why = shared.choice
        chosen = encoding == bound.config.library.encoding
        (bound.overshadowed if why is Why.USED and not chosen else bound.why[why]).inc()
        return chosen


def _is_long_enough(direction: Direction, stats: DirectionStats, headers: HeaderMap) -> bool:
    length = headers.get(b"content-length")
    if length is None or (length.isdigit() and int(length) >= direction.min_content_length):
        return True
    stats.too_small.inc()
    return False


def _begin(headers: HeaderMap, library: CompressorLibrary, stats: DirectionStats) -> _Body:
    headers.remove(b"content-length")
    headers.set(b"content-encoding", library.encoding)
    stats.compressed.inc()
    return _Body(library, stats)


def _vary(headers: ResponseHeaders) -> None:
    """A cache must know that others may get the same thing compressed, or not."""
    vary = headers.get(b"vary")
    if not vary:
        headers.set(b"vary", b"Accept-Encoding")
    elif b"Accept-Encoding" not in (each.strip() for each in vary.split(b",")):  # case counts, as in Envoy
        headers.set(b"vary", vary + b", Accept-Encoding")


@extension("envoy.filters.http", CompressorMessage.DESCRIPTOR.full_name)
def compile_config(message: CompressorMessage, at: FieldPath, context: CompileContext) -> CompressorConfig:
    library, at_library = message.compressor_library, at / "compressor_library" / "typed_config"
    compile_library, config = find_extension(COMPRESSOR_KIND, library.typed_config, library.name, at_library)
    response = message.response_direction_config
    return CompressorConfig(
        library_name=library.name,
        library=compile_library(config, at_library, context),
        request=_direction(message, "request_direction_config", "request.", context),
        response=_direction(message, "response_direction_config", "response.", context),
        disable_on_etag=response.disable_on_etag_header,
        remove_accept_encoding=response.remove_accept_encoding_header,
        uncompressible=frozenset(response.uncompressible_response_codes),
    )


def _direction(message: CompressorMessage, field: str, prefix: str, context: CompileContext) -> Direction:
    """Responses are compressed unless that is turned off, requests only where they are configured."""
    is_response, is_set = prefix == "response.", message.HasField(field)
    common: Any = getattr(message, field).common_config
    return Direction(
        enabled=(is_response or is_set) and _flag(common, context),
        prefix="" if is_response and not is_set else prefix,
        min_content_length=wrapped(common, "min_content_length", _MIN_CONTENT_LENGTH),
        content_types=frozenset(each.lower().encode() for each in common.content_type) or _CONTENT_TYPES,
    )


def _flag(common: Any, context: CompileContext) -> bool:
    enabled = common.enabled
    override = context.runtime.get(enabled.runtime_key) if enabled.runtime_key else None
    return override if isinstance(override, bool) else bool(wrapped(enabled, "default_value", True))
