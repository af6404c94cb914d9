"""CPU time of one resumed TLS connection: the configuration of `h1_tls`, and clients that go as soon as the handshake is done."""

from __future__ import annotations

from bench.handshakes import Handshakes
from bench.scenario import Scenario
from bench.scenarios import h1_tls

SCENARIO = Scenario(
    name="tls_handshake_resumed",
    about="CPU time of one resumed TLS connection, ECDSA P-256",
    bootstrap=h1_tls.bootstrap,
    load=Handshakes(resumed=True),
    target=2.2,
    unit="connection",
)
