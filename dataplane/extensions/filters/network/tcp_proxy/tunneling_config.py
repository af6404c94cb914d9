"""TunnelingConfig → TunnelConfig.  Not here: the tunnel itself (tunnel).  Envoy: TcpProxy.TunnelingConfig."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from envoy.extensions.filters.network.tcp_proxy.v3.tcp_proxy_pb2 import TcpProxy

from dataplane.base.errors import ConfigError, FieldPath
from dataplane.compile.context import CompileContext
from dataplane.compile.header_mutations import compile_additions
from dataplane.compile.support import supports
from dataplane.extensions.filters.network.tcp_proxy.tunnel import TunnelConfig
from dataplane.observe.format import TextFormat
from dataplane.observe.formatter_context import FormatterContext

if TYPE_CHECKING:
    from dataplane.observe.stream_info import StreamInfo

supports(TcpProxy.TunnelingConfig, "hostname", "use_post", "headers_to_add", "post_path")
supports(TcpProxy.TunnelingConfig, "propagate_response_headers", "propagate_response_trailers")


def compile_tunneling(message: TcpProxy, at: FieldPath, context: CompileContext) -> TunnelConfig | None:
    if not message.HasField("tunneling_config"):
        return None
    config, at = message.tunneling_config, at / "tunneling_config"
    if config.post_path and not config.use_post:
        raise ConfigError(at / "post_path", "Can't set a post path when POST method isn't used")
    return TunnelConfig(
        hostname=_hostname(config.hostname, at / "hostname"),
        headers_to_add=compile_additions(config.headers_to_add, at / "headers_to_add", context),
        keeps_headers=config.propagate_response_headers,
        keeps_trailers=config.propagate_response_trailers,
        post_path=(config.post_path.encode() or b"/") if config.use_post else b"",
    )


def _hostname(text: str, at: FieldPath) -> Callable[[StreamInfo], bytes]:
    compiled = TextFormat(text, at)
    if compiled.constant is not None:
        constant = compiled.constant
        return lambda info: constant
    render = compiled.render
    return lambda info: render(FormatterContext(info))
