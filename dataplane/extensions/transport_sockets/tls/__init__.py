"""TLS, downstream and upstream.  Envoy: envoy.transport_sockets.tls.

Here: what makes a compiled socket of a configuration, once per compilation.  Not here: the two sides (downstream, upstream).
"""

from __future__ import annotations

from envoy.extensions.transport_sockets.tls.v3.tls_pb2 import DownstreamTlsContext, UpstreamTlsContext
from envoy.extensions.transport_sockets.tls.v3.tls_spiffe_validator_config_pb2 import SPIFFECertValidatorConfig

from dataplane.api.registry import extension
from dataplane.base.errors import FieldPath
from dataplane.compile.context import CompileContext
from dataplane.compile.spiffe import TrustBundles, compile_trust_domains
from dataplane.compile.tls import compile_downstream_tls, compile_upstream_tls
from dataplane.compile.validation_context import VALIDATOR_KIND
from dataplane.extensions.transport_sockets.tls.downstream import DownstreamTlsSocket
from dataplane.extensions.transport_sockets.tls.upstream import UpstreamTlsSocket


@extension("envoy.transport_sockets.downstream", DownstreamTlsContext.DESCRIPTOR.full_name)
def compile_downstream(config: DownstreamTlsContext, at: FieldPath, context: CompileContext) -> DownstreamTlsSocket:
    return DownstreamTlsSocket(compile_downstream_tls(config, at, context), at)


@extension("envoy.transport_sockets.upstream", UpstreamTlsContext.DESCRIPTOR.full_name)
def compile_upstream(config: UpstreamTlsContext, at: FieldPath, context: CompileContext) -> UpstreamTlsSocket:
    return UpstreamTlsSocket(compile_upstream_tls(config, at, context), at)


@extension(VALIDATOR_KIND, SPIFFECertValidatorConfig.DESCRIPTOR.full_name)
def compile_spiffe(config: SPIFFECertValidatorConfig, at: FieldPath) -> TrustBundles:
    return compile_trust_domains(config, at)
