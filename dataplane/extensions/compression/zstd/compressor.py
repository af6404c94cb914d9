"""Zstandard as a compression library.  Envoy: envoy.compression.zstd.compressor."""

from __future__ import annotations

import sys
from types import ModuleType

from envoy.extensions.compression.zstd.compressor.v3.zstd_pb2 import Zstd

from dataplane.api.registry import extension
from dataplane.base.errors import ConfigError, FieldPath
from dataplane.compile.context import CompileContext
from dataplane.compile.support import ignores, supports
from dataplane.compile.units import wrapped
from dataplane.extensions.common.compression import COMPRESSOR_KIND, CompressorLibrary

supports(Zstd, "compression_level", "enable_checksum")
ignores(Zstd, "chunk_size", because="the size of a buffer that the library here does not need")


class _ZstdCompressor:
    """Implements extensions.common.compression.Compressor."""

    __slots__ = ("_zstd",)

    def __init__(self, library: ModuleType, level: int, checksum: bool) -> None:
        parameters = library.CompressionParameter
        options = {parameters.compression_level: level, parameters.checksum_flag: int(checksum)}
        self._zstd = library.ZstdCompressor(options=options)

    def compress(self, data: bytes) -> bytes:
        compressed: bytes = self._zstd.compress(data) + self._zstd.flush(self._zstd.FLUSH_BLOCK)
        return compressed

    def finish(self, data: bytes) -> bytes:
        compressed: bytes = self._zstd.compress(data) + self._zstd.flush()
        return compressed


@extension(COMPRESSOR_KIND, Zstd.DESCRIPTOR.full_name)
def compile_config(message: Zstd, at: FieldPath, context: CompileContext) -> CompressorLibrary:
    library = _library(at)
    level, checksum = wrapped(message, "compression_level", 3), message.enable_checksum
    return CompressorLibrary(b"zstd", "zstd", lambda: _ZstdCompressor(library, level, checksum))


def _library(at: FieldPath) -> ModuleType:
    """Loaded when a configuration first names it: few do.  Python 3.14 brings its own."""
    try:
        if sys.version_info >= (3, 14):
            from compression import zstd
        else:
            from backports import zstd
    except ImportError as error:
        raise ConfigError(at, f"the library for zstd cannot be loaded: {error}") from error
    library: ModuleType = zstd
    return library
