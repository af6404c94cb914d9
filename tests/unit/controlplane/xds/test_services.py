"""The table of services is what the API's own descriptors say."""

from __future__ import annotations

import importlib

import pytest
from google.protobuf import descriptor_pool

from controlplane.base import type_url as urls
from controlplane.xds.services import ADS, ADS_DELTA, ADS_STREAM, TYPE_SERVICES, TypeService

for module in (
    "listener.v3.lds",
    "route.v3.rds",
    "route.v3.srds",
    "cluster.v3.cds",
    "endpoint.v3.eds",
    "secret.v3.sds",
    "runtime.v3.rtds",
    "extension.v3.config_discovery",
    "discovery.v3.ads",
):
    importlib.import_module(f"envoy.service.{module}_pb2")


def methods_of(service: str) -> set[str]:
    found = descriptor_pool.Default().FindServiceByName(service)
    return {method.name for method in found.methods}


@pytest.mark.parametrize("service", TYPE_SERVICES, ids=lambda service: service.name.rpartition(".")[2])
def test_a_service_has_the_methods_of_the_api(service: TypeService) -> None:
    assert {service.stream, service.delta, service.fetch} - {""} == methods_of(service.name)


def test_ads_has_the_methods_of_the_api() -> None:
    assert {ADS_STREAM, ADS_DELTA} == methods_of(ADS)


def test_every_type_that_is_delivered_has_a_service() -> None:
    known = {value for name, value in vars(urls).items() if name.isupper() and name not in ("PREFIX", "_WORDS", "_BY_WORD")}
    assert {service.type_url for service in TYPE_SERVICES} == {url for url in known if isinstance(url, str)}
