"""gzip as a compression library.  Envoy: envoy.compression.gzip.compressor."""

from __future__ import annotations

import zlib

from envoy.extensions.compression.gzip.compressor.v3.gzip_pb2 import Gzip

from dataplane.api.registry import extension
from dataplane.base.errors import FieldPath
from dataplane.compile.context import CompileContext
from dataplane.compile.support import ignores, supports
from dataplane.compile.units import wrapped
from dataplane.extensions.common.compression import COMPRESSOR_KIND, CompressorLibrary

supports(Gzip, "memory_level", "compression_level", "compression_strategy", "window_bits")
ignores(Gzip, "chunk_size", because="the size of a buffer that the library here does not need")

_AS_GZIP = 16  # added to the window bits: zlib writes gzip's header and checksum


class _GzipCompressor:
    """Implements extensions.common.compression.Compressor."""

    __slots__ = ("_zlib",)

    def __init__(self, level: int, window_bits: int, memory_level: int, strategy: int) -> None:
        self._zlib = zlib.compressobj(level, zlib.DEFLATED, window_bits | _AS_GZIP, memory_level, strategy)

    def compress(self, data: bytes) -> bytes:
        return self._zlib.compress(data) + self._zlib.flush(zlib.Z_SYNC_FLUSH)

    def finish(self, data: bytes) -> bytes:
        return self._zlib.compress(data) + self._zlib.flush()


@extension(COMPRESSOR_KIND, Gzip.DESCRIPTOR.full_name)
def compile_config(message: Gzip, at: FieldPath, context: CompileContext) -> CompressorLibrary:
    level = message.compression_level or zlib.Z_DEFAULT_COMPRESSION  # the numbers of the levels are zlib's own
    window_bits, memory_level = wrapped(message, "window_bits", 12), wrapped(message, "memory_level", 5)
    strategy = message.compression_strategy  # as are those of the strategies
    return CompressorLibrary(b"gzip", "gzip", lambda: _GzipCompressor(level, window_bits, memory_level, strategy))
