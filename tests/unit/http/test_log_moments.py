"""Access logs that are written before a stream ends."""

from __future__ import annotations

from dataplane.http.config import AccessLogOptions
from dataplane.observe.formatter_context import FormatterContext
from tests.support.engine import Engine, LogLines, get


class Types(LogLines):
    """Keeps what a line would begin with, since the stream goes on."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[tuple[str, int, str]] = []

    def log(self, context: FormatterContext) -> None:
        info = context.info
        self.lines.append((info.access_log_type, info.response_code, info.upstream_cluster))


def engine(**options: object) -> tuple[Engine, Types]:
    log = Types()
    return Engine(settings={"access_log": (log,), "access_log_options": AccessLogOptions(**options)}), log  # type: ignore[arg-type]


def test_a_new_request_is_logged_when_its_route_is_known() -> None:
    proxy, log = engine(on_new_request=True)
    client = proxy.connect()
    client.send(get())
    assert [kind for kind, _, _ in log.lines] == ["DownstreamStart"]
    proxy.up.last.respond(200, b"ok")
    client.take()
    assert [(kind, status) for kind, status, _ in log.lines] == [("DownstreamStart", 0), ("DownstreamEnd", 200)]


def test_a_stream_is_logged_again_and_again_until_it_ends() -> None:
    proxy, log = engine(interval=1.0)
    client = proxy.connect()
    client.send(get())
    proxy.loop.advance(2.5)
    assert log.lines == [("DownstreamPeriodic", 0, "up")] * 2
    proxy.up.last.respond(200, b"ok")
    client.take()
    proxy.loop.advance(5.0)
    assert [kind for kind, _, _ in log.lines[2:]] == ["DownstreamEnd"]


def test_by_default_only_the_end_is_logged() -> None:
    proxy, log = engine()
    client = proxy.connect()
    client.send(get())
    proxy.loop.advance(10.0)
    assert log.lines == []
    proxy.up.last.respond(200, b"ok")
    client.take()
    assert [kind for kind, _, _ in log.lines] == ["DownstreamEnd"]
