"""The scheme of the connection upstream."""

from __future__ import annotations

import pytest

from dataplane.api.upstream import PoolFailure
from dataplane.http.config import HttpFilterEntry
from dataplane.router.config import RouterConfig
from dataplane.router.scheme import SchemeMatchingFactory
from tests.support.engine import Engine, get


@pytest.mark.parametrize(("secure", "said", "expected"), [(False, b"https", b"http"), (True, b"http", b"https")])
def test_a_request_has_the_scheme_of_its_cluster(secure: bool, said: bytes, expected: bytes) -> None:
    engine = Engine(settings={"http_filters": (HttpFilterEntry("router", SchemeMatchingFactory(RouterConfig())),)})
    engine.up.speaks_tls = secure
    engine.up.failure = (PoolFailure.REMOTE_CONNECTION_FAILURE, "")
    client = engine.connect()
    client.send(get(b"/", b"x-forwarded-proto: " + said))
    client.take()
    [request] = engine.log.requests
    assert request is not None
    assert (request.scheme, request.get(b"x-forwarded-proto")) == (expected, said)
