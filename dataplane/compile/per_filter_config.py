"""typed_per_filter_config of the four levels that have it → compiled configuration by filter name.

The levels are merged here, so that a request finds the most specific one in a single look-up.
Envoy: config.route.v3.{RouteConfiguration, VirtualHost, Route, WeightedCluster.ClusterWeight}.typed_per_filter_config, FilterConfig.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from envoy.config.route.v3.route_components_pb2 import FilterConfig
from google.protobuf.any_pb2 import Any as AnyMessage

from dataplane.api import registry
from dataplane.base.errors import ConfigError, FieldPath
from dataplane.compile.context import CompileContext
from dataplane.compile.fields import find_extension, type_name, unpack_typed
from dataplane.compile.support import supports

supports(FilterConfig, "config", "is_optional")

KIND: Final = "envoy.filters.http.route"
_WRAPPER: Final = FilterConfig.DESCRIPTOR.full_name


def compile_per_filter_config(
    configs: Mapping[str, AnyMessage], inherited: Mapping[str, object], at: FieldPath, context: CompileContext
) -> Mapping[str, object]:
    """What this level says, over what the levels above it said.  Errors go to the context.

    A configuration takes the place of the one above, unless it has a method `over` that makes one of both.
    """
    if not configs:
        return inherited
    merged = dict(inherited)
    for name, packed in sorted(configs.items()):
        with context.problems.collect():
            compiled = _compile(name, packed, at / name, context)
            if compiled is not None:
                put_over = getattr(compiled, "over", None)
                merged[name] = compiled if put_over is None else put_over(inherited.get(name))
    return MappingProxyType(merged)


def _compile(name: str, packed: AnyMessage, at: FieldPath, context: CompileContext) -> object | None:
    """None for an optional one that we do not know."""
    if type_name(packed) == _WRAPPER:
        wrapper: Any = unpack_typed(packed, at)
        packed, at = wrapper.config, at / "config"
        if not packed.type_url:
            raise ConfigError(at, f"Empty route/virtual host per filter configuration for {name} filter")
        if wrapper.is_optional and registry.find(KIND, type_name(packed)) is None:
            return None
    compile_config, config = find_extension(KIND, packed, name, at)
    compiled: object = compile_config(config, at, context)
    return compiled
