"""What one new connection costs: `python -m bench.micro.new_connection [CASE …]` prints CPU microseconds for each.

Accepted, in clear or with a handshake, one request that the proxy answers itself (unless `--silent`), closed by its client.  The proxy alone
is timed, on transports that are no sockets, the TLS library's work with it.  `--calls N` prints the N functions that take most.
"""

from __future__ import annotations

import cProfile
import gc
import pstats
import ssl
import tempfile
from itertools import count
from pathlib import Path
from statistics import median

import click
import uvloop

from bench.micro.proxied_exchange import Proxy, Wire, print_calls
from bench.micro.secure_client import SecureClient, trusting_context
from dataplane.listener.listener import ActiveListener

CONNECTIONS = 100  # a round: so many, one after the other

REQUEST = b"GET /nowhere HTTP/1.1\r\nhost: bench.test\r\n\r\n"
ANSWER = b"HTTP/1.1 404"

CASES = {"clear": "h1", "tls": "h1_tls", "tls_resumed": "h1_tls"}


class Newcomers:
    """Clients of one proxy that come and go."""

    def __init__(self, case: str, silent: bool, directory: Path) -> None:
        self.proxy = Proxy(CASES[case], directory)
        acceptor = self.proxy.acceptor
        self.listener = ActiveListener(acceptor.config, acceptor.server, count(1).__next__)
        self._asks = not silent
        self._context = None if case == "clear" else trusting_context("http/1.1")
        self._resumes = case == "tls_resumed"
        self._session: ssl.SSLSession | None = None

    async def microseconds(self) -> list[float]:
        """Of each connection in one round."""
        taken = []
        for _ in range(CONNECTIONS):
            self.proxy.spent = 0.0
            await self._come_and_go(self._asks)
            taken.append(self.proxy.spent * 1e6)
        return taken

    async def learn_session(self) -> None:
        """Each client that comes later has it."""
        if self._resumes:
            client = await self._come_and_go(asks=True)
            assert client is not None
            self._session = client.tls.session

    async def _come_and_go(self, asks: bool) -> SecureClient | None:
        wire = Wire()
        await self.proxy.run(lambda: self._accept(wire))
        client = None if self._context is None else await self._shake_hands(wire, self._context)
        if asks:
            await self._ask(wire, client)
        await self.proxy.run(lambda: self._leave(wire))
        return client

    def _accept(self, wire: Wire) -> None:
        wire.protocol = self.listener.new_connection()
        wire.protocol.connection_made(wire)

    def _leave(self, wire: Wire) -> None:
        wire.protocol.eof_received()
        wire.protocol.connection_lost(None)

    async def _shake_hands(self, wire: Wire, context: ssl.SSLContext) -> SecureClient:
        client = SecureClient(context, self._session)
        while said := client.shake_hands(wire.take()):
            await self.proxy.pass_on([(wire.protocol, said)])
        assert client.tls.session_reused is (self._session is not None)
        return client

    async def _ask(self, wire: Wire, client: SecureClient | None) -> None:
        await self.proxy.pass_on([(wire.protocol, REQUEST if client is None else client.encrypt(REQUEST))])
        answer = wire.take()
        assert (answer if client is None else client.decrypt(answer)).startswith(ANSWER)


async def _measure(case: str, silent: bool, rounds: int, directory: Path, calls: int) -> None:
    newcomers = Newcomers(case, silent, directory)
    await newcomers.learn_session()
    await newcomers.microseconds()
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    if calls:
        newcomers.proxy.profile = cProfile.Profile()
        await newcomers.microseconds()
        print_calls(pstats.Stats(newcomers.proxy.profile), CONNECTIONS, calls)
        return
    taken = sorted([each for _ in range(rounds) for each in await newcomers.microseconds()])
    print(f"{case:12} best tenth {taken[len(taken) // 10]:7.2f} us, median {median(taken):7.2f} us per connection")


@click.command()
@click.argument("names", nargs=-1, metavar="[CASE]...")
@click.option("--rounds", default=15, show_default=True)
@click.option("--silent", is_flag=True, help="clients ask for nothing")
@click.option("--calls", default=0, help="print so many functions instead of times")
def main(names: tuple[str, ...], rounds: int, silent: bool, calls: int) -> None:
    """Measure CASEs (all of them when none is named)."""
    for name in names or CASES:
        with tempfile.TemporaryDirectory(prefix="pointsman-newcomers-") as directory:
            uvloop.run(_measure(name, silent, rounds, Path(directory), calls))


if __name__ == "__main__":
    main()
