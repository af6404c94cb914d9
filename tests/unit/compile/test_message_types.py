"""Classes by name, from the packages that a configuration may name and no others."""

from __future__ import annotations

import subprocess
import sys

import pytest

from dataplane.compile.message_types import full_name_of, is_v2, message_class, type_url_of


@pytest.mark.parametrize(
    "name",
    [
        "envoy.extensions.filters.http.router.v3.Router",
        "envoy.config.route.v3.RouteAction.HashPolicy.Header",
        "google.protobuf.StringValue",
        "google.protobuf.Duration",
        "xds.type.v3.TypedStruct",
        "udpa.type.v1.TypedStruct",
    ],
)
def test_found(name: str) -> None:
    found = message_class(name)
    assert found is not None
    assert found.DESCRIPTOR.full_name == name
    assert type_url_of(found) == f"type.googleapis.com/{name}"


@pytest.mark.parametrize(
    "name",
    ["", "envoy", "envoy.", "os.path", "envoy.no.such.v3.Thing", "envoy.config.core.v3", "envoy.config.core.v3.Nope", "a b.c"],
)
def test_not_found(name: str) -> None:
    assert message_class(name) is None


def test_nothing_is_imported_before_it_is_named() -> None:
    script = (
        "import sys; from dataplane.compile.message_types import message_class as find;"
        "before = [m for m in sys.modules if m.startswith('envoy.extensions')];"
        "find('envoy.extensions.filters.http.router.v3.Router');"
        "print(before, 'envoy.extensions.filters.http.router.v3.router_pb2' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout == "[] True\n"


def test_names() -> None:
    assert full_name_of("a/b/c.D") == "c.D"
    assert full_name_of("c.D") == "c.D"
    assert is_v2("envoy.config.filter.network.http_connection_manager.v2.HttpConnectionManager")
    assert is_v2("envoy.config.common.tap.v2alpha.Thing")
    assert not is_v2("envoy.config.core.v3.Address")
    assert not is_v2("io.v2.Thing")
