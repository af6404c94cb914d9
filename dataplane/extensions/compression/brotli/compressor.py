"""Brotli as a compression library.  Envoy: envoy.compression.brotli.compressor."""

from __future__ import annotations

from types import ModuleType

from envoy.extensions.compression.brotli.compressor.v3.brotli_pb2 import Brotli

from dataplane.api.registry import extension
from dataplane.base.errors import ConfigError, FieldPath
from dataplane.compile.context import CompileContext
from dataplane.compile.support import ignores, supports
from dataplane.compile.units import wrapped
from dataplane.extensions.common.compression import COMPRESSOR_KIND, CompressorLibrary

supports(Brotli, "quality", "encoder_mode", "window_bits", "input_block_bits")
ignores(Brotli, "chunk_size", because="the size of a buffer that the library here does not need")


class _BrotliCompressor:
    """Implements extensions.common.compression.Compressor."""

    __slots__ = ("_brotli",)

    def __init__(self, library: ModuleType, mode: int, quality: int, window_bits: int, block_bits: int) -> None:
        self._brotli = library.Compressor(mode, quality, window_bits, block_bits)

    def compress(self, data: bytes) -> bytes:
        compressed: bytes = self._brotli.process(data) + self._brotli.flush()
        return compressed

    def finish(self, data: bytes) -> bytes:
        compressed: bytes = self._brotli.process(data) + self._brotli.finish()
        return compressed


@extension(COMPRESSOR_KIND, Brotli.DESCRIPTOR.full_name)
def compile_config(message: Brotli, at: FieldPath, context: CompileContext) -> CompressorLibrary:
    library = _library(at)
    modes = {Brotli.TEXT: library.MODE_TEXT, Brotli.FONT: library.MODE_FONT}
    mode = modes.get(message.encoder_mode, library.MODE_GENERIC)
    quality, window_bits = wrapped(message, "quality", 3), wrapped(message, "window_bits", 18)
    block_bits = wrapped(message, "input_block_bits", 24)
    return CompressorLibrary(b"br", "brotli", lambda: _BrotliCompressor(library, mode, quality, window_bits, block_bits))


def _library(at: FieldPath) -> ModuleType:
    """Loaded when a configuration first names it: few do."""
    try:
        import brotli
    except ImportError as error:
        raise ConfigError(at, f"the library for brotli cannot be loaded: {error}") from error
    library: ModuleType = brotli
    return library
