"""The one way to choose among source addresses, which is also what happens unless another is configured (compile.source_address).

Envoy: envoy.upstream.local_address_selector.default_local_address_selector.
"""

from __future__ import annotations

from envoy.config.upstream.local_address_selector.v3.default_local_address_selector_pb2 import DefaultLocalAddressSelector

from dataplane.api.registry import extension
from dataplane.base.errors import FieldPath
from dataplane.compile.context import CompileContext
from dataplane.compile.source_address import SELECTOR_KIND
from dataplane.compile.support import supports

supports(DefaultLocalAddressSelector)


@extension(SELECTOR_KIND, DefaultLocalAddressSelector.DESCRIPTOR.full_name)
def compile_config(config: DefaultLocalAddressSelector, at: FieldPath, context: CompileContext) -> None:
    """It has no settings."""
