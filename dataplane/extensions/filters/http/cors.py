"""Cross-origin requests: preflights answered and responses marked by the policy of their route.  Envoy: envoy.filters.http.cors.

Without a policy a request passes untouched.  Spec: the Fetch standard, "CORS protocol".
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from envoy.extensions.filters.http.cors.v3.cors_pb2 import Cors, CorsPolicy

from dataplane.api.http_filter import CONTINUE, FilterStatus, StreamCallbacks
from dataplane.api.registry import extension
from dataplane.base.errors import FieldPath
from dataplane.compile.context import CompileContext
from dataplane.compile.matcher import compile_string_matcher
from dataplane.compile.support import supports
from dataplane.compile.units import runtime_parts, wrapped
from dataplane.matching.string import StringPredicate
from dataplane.routing.route import ForwardAction

if TYPE_CHECKING:
    from dataplane.api.network_filter import ServerContext
    from dataplane.observe.stats import Counter, Scope
    from dataplane.semantics.header_map import Field, RequestHeaders, ResponseHeaders

supports(Cors)
supports(
    CorsPolicy,
    "allow_origin_string_match",
    "allow_methods",
    "allow_headers",
    "expose_headers",
    "max_age",
    "allow_credentials",
    "filter_enabled",
    "shadow_enabled",
    "allow_private_network_access",
    "forward_not_matching_preflights",
)

_ALWAYS: Final = (100, 100)
_NEVER: Final = (0, 100)


@dataclass(frozen=True, slots=True)
class Policy:
    """`CorsPolicy`.  None and b"" are for the level above to say.  enabled, shadowed: numerator and denominator of a share of requests."""

    origins: tuple[StringPredicate, ...]
    allow_methods: bytes = b""
    allow_headers: bytes = b""
    expose_headers: bytes = b""
    max_age: bytes = b""
    allow_credentials: bool | None = None
    allow_private_network: bool | None = None
    forward_not_matching: bool | None = None
    enabled: tuple[int, int] = _ALWAYS
    shadowed: tuple[int, int] = _NEVER

    def over(self, above: object) -> Policy:
        """What this one does not say is said by the level above."""
        if not isinstance(above, Policy):
            return self
        return replace(
            self,
            origins=self.origins or above.origins,
            allow_methods=self.allow_methods or above.allow_methods,
            allow_headers=self.allow_headers or above.allow_headers,
            expose_headers=self.expose_headers or above.expose_headers,
            max_age=self.max_age or above.max_age,
            allow_credentials=above.allow_credentials if self.allow_credentials is None else self.allow_credentials,
            allow_private_network=(
                above.allow_private_network if self.allow_private_network is None else self.allow_private_network
            ),
            forward_not_matching=above.forward_not_matching if self.forward_not_matching is None else self.forward_not_matching,
        )

    def allows(self, origin: bytes) -> bool:
        return any(matches(origin) for matches in self.origins)


class CorsFactory:
    """The compiled configuration, which says nothing."""

    def bind(self, server: ServerContext, stats: Scope, name: str) -> CorsFilter:
        scope = stats.scope("cors.")
        return CorsFilter(name, scope.counter("origin_valid"), scope.counter("origin_invalid"))


class CorsFilter:
    """One filter of a connection manager."""

    __slots__ = ("_invalid", "_name", "_valid")

    def __init__(self, name: str, valid: Counter, invalid: Counter) -> None:
        self._name = name
        self._valid = valid
        self._invalid = invalid

    def new_stream(self) -> CorsStream:
        return CorsStream(self)

    def judge(self, headers: RequestHeaders, stream: StreamCallbacks) -> Policy | None:
        """The policy, if it is on and the request comes from an origin that it allows; counted even where it is only watched."""
        route = stream.route
        if route is None or not isinstance(route.action, ForwardAction):
            return None  # as Envoy: what is answered here, or redirected, has no policy
        policy = stream.filter_config(self._name)
        if not isinstance(policy, Policy) or not (policy.enabled[0] or policy.shadowed[0]):
            return None
        origin = headers.get(b"origin")
        if not origin:
            return None
        if not policy.allows(origin):
            self._invalid.inc()
            return None
        self._valid.inc()
        return policy if policy.enabled[0] else None

    def keep_back(self, headers: RequestHeaders, stream: StreamCallbacks) -> FilterStatus:
        """A preflight of an origin that is not allowed: it goes on, unless the policy says that it shall not."""
        policy = stream.filter_config(self._name)
        kept = (
            isinstance(policy, Policy) and policy.forward_not_matching is False and policy.enabled[0] and headers.get(b"origin")
        )
        return stream.local_reply(200, details="cors_response") if kept else CONTINUE


class CorsStream:
    """One request.  _policy: None where it is not a cross-origin request that is allowed."""

    __slots__ = ("_filter", "_origin", "_policy")

    def __init__(self, bound: CorsFilter) -> None:
        self._filter = bound
        self._policy: Policy | None = None
        self._origin = b""

    def decode_headers(self, headers: RequestHeaders, end_stream: bool, stream: StreamCallbacks) -> FilterStatus:
        policy = self._policy = self._filter.judge(headers, stream)
        is_preflight = headers.method == b"OPTIONS" and bool(headers.get(b"access-control-request-method"))
        if policy is None:
            return self._filter.keep_back(headers, stream) if is_preflight else CONTINUE
        self._origin = headers.get(b"origin") or b""
        if not is_preflight:
            return CONTINUE
        return stream.local_reply(200, details="cors_response", headers=tuple(self._preflight(policy, headers)))

    def encode_headers(self, headers: ResponseHeaders, end_stream: bool, stream: StreamCallbacks) -> FilterStatus:
        policy = self._policy
        if policy is not None:
            headers.set(b"access-control-allow-origin", self._origin)
            if policy.allow_credentials:
                headers.set(b"access-control-allow-credentials", b"true")
            if policy.expose_headers:
                headers.set(b"access-control-expose-headers", policy.expose_headers)
        return CONTINUE

    def _preflight(self, policy: Policy, headers: RequestHeaders) -> list[Field]:
        fields = [(b"access-control-allow-origin", self._origin)]
        if policy.allow_credentials:
            fields.append((b"access-control-allow-credentials", b"true"))
        for name, value in (
            (b"access-control-allow-methods", policy.allow_methods),
            (b"access-control-allow-headers", policy.allow_headers),
            (b"access-control-max-age", policy.max_age),
        ):
            if value:
                fields.append((name, value))
        if policy.allow_private_network and headers.get(b"access-control-request-private-network") == b"true":
            fields.append((b"access-control-allow-private-network", b"true"))
        return fields


@extension("envoy.filters.http", Cors.DESCRIPTOR.full_name)
def compile_config(message: Cors, at: FieldPath, context: CompileContext) -> CorsFactory:
    return CorsFactory()


@extension("envoy.filters.http.route", CorsPolicy.DESCRIPTOR.full_name)
def compile_policy(message: CorsPolicy, at: FieldPath, context: CompileContext) -> Policy:
    at_origins = at / "allow_origin_string_match"
    return Policy(
        origins=tuple(
            compile_string_matcher(each, at_origins / index) for index, each in enumerate(message.allow_origin_string_match)
        ),
        allow_methods=message.allow_methods.encode(),
        allow_headers=message.allow_headers.encode(),
        expose_headers=message.expose_headers.encode(),
        max_age=message.max_age.encode(),
        allow_credentials=wrapped(message, "allow_credentials", None),
        allow_private_network=wrapped(message, "allow_private_network_access", None),
        forward_not_matching=wrapped(message, "forward_not_matching_preflights", None),
        enabled=_share(message, "filter_enabled", _ALWAYS, at, context),
        shadowed=_share(message, "shadow_enabled", _NEVER, at, context),
    )


def _share(message: CorsPolicy, field: str, default: tuple[int, int], at: FieldPath, context: CompileContext) -> tuple[int, int]:
    return runtime_parts(getattr(message, field), at / field, context) if message.HasField(field) else default
