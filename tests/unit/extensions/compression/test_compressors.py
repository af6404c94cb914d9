"""Every library gives back what it was given, and keeps nothing back between two pieces."""

from __future__ import annotations

import sys
import zlib
from collections.abc import Callable
from typing import Any

import pytest

from dataplane.extensions.common.compression import CompressorLibrary
from tests.support.http_filters import compiled_extension

brotli = pytest.importorskip("brotli")
zstd = pytest.importorskip("compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd")

PACKAGE = "envoy.extensions.compression."
PIECES = [b"hello " * 100, b"", b"world " * 100]


def library(name: str, **content: Any) -> CompressorLibrary:
    made = compiled_extension("envoy.compression.compressor", PACKAGE + name, content)
    assert isinstance(made, CompressorLibrary)
    return made


def gunzip() -> Callable[[bytes], bytes]:
    return zlib.decompressobj(16 + zlib.MAX_WBITS).decompress


def unbrotli() -> Callable[[bytes], bytes]:
    decompress: Callable[[bytes], bytes] = brotli.Decompressor().process
    return decompress


def unzstd() -> Callable[[bytes], bytes]:
    decompress: Callable[[bytes], bytes] = zstd.ZstdDecompressor().decompress
    return decompress


@pytest.mark.parametrize(
    ("made", "reader"),
    [
        (library("gzip.compressor.v3.Gzip"), gunzip),
        (library("gzip.compressor.v3.Gzip", compression_level="BEST_COMPRESSION", window_bits=9, memory_level=1), gunzip),
        (library("brotli.compressor.v3.Brotli"), unbrotli),
        (library("brotli.compressor.v3.Brotli", encoder_mode="TEXT", quality=1, window_bits=10), unbrotli),
        (library("zstd.compressor.v3.Zstd"), unzstd),
        (library("zstd.compressor.v3.Zstd", compression_level=9, enable_checksum=True), unzstd),
    ],
)
def test_pieces(made: CompressorLibrary, reader: Callable[[], Callable[[bytes], bytes]]) -> None:
    compressor, read = made.make(), reader()
    for piece in PIECES:
        compressed = compressor.compress(piece)
        assert len(compressed) <= len(piece) + 32
        assert read(compressed) == piece
    assert read(compressor.finish(b"end")) == b"end"


@pytest.mark.parametrize(
    ("name", "encoding", "stat_name"),
    [
        ("gzip.compressor.v3.Gzip", b"gzip", "gzip"),
        ("brotli.compressor.v3.Brotli", b"br", "brotli"),
        ("zstd.compressor.v3.Zstd", b"zstd", "zstd"),
    ],
)
def test_names(name: str, encoding: bytes, stat_name: str) -> None:
    made = library(name)
    assert (made.encoding, made.stat_name) == (encoding, stat_name)
