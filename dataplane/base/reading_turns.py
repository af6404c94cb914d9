"""Who may read how much before it is somebody else's turn.

uvloop reads a connection that has more up to 32 times in a row before it looks at any other, or at a timer.  As long as bytes are only passed on
that takes no time; eight megabytes of the smallest messages (interim responses, chunks of a byte, answers to pings) take seconds.  So
whoever got a large read stops reading, and goes on in the next pass of the loop.  One read of HTTP/2 may hold 25,000 frames of a byte, which
take 10 µs each: those beyond A_TURN wait for the next passes, too.  So do the requests of one HTTP/1 read, of which 7,000 may wait for
nothing but our own answers, and its chunks, which may be 40,000.
Envoy: Network::ConnectionImpl reads as much as its buffer's limit, then lets others come first.
"""

from __future__ import annotations

from typing import Final

# A read of this size filled the loop's buffer, which has 256,000 bytes, or did before it was decrypted.
LARGE_READ: Final = 192 * 1024

A_TURN: Final = 500
"""Events of one HTTP/2 connection that are dealt with in one pass of the loop: some milliseconds."""

REQUESTS_A_TURN: Final = 50
"""Requests of one HTTP/1 connection that begin in one pass of the loop."""

CHUNKS_A_TURN: Final = 2000
"""Chunks of one HTTP/1 request that are read in one pass of the loop."""
