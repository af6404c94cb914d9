"""The OpenAPI document says what is served, and every schema it refers to is there."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

from controlplane.admin.openapi import document
from controlplane.admin.operations import Operations
from controlplane.admin.rest import application
from controlplane.admin.routes import ROUTES
from controlplane.admin.token import Token
from controlplane.api.v1 import management_pb2 as api
from controlplane.service.management import Management


def served_operations() -> set[tuple[str, str]]:
    """What the application really answers, with its patterns brought to the document's form."""

    async def body() -> set[tuple[str, str]]:
        management = cast(Management, None)
        app = application(management, Operations(management), Token(None), any_host=False)
        return {
            (
                route.method,
                re.sub(r"\{(\w+)(:[^}]*)?\}", lambda name: "{" + name[1].replace("__", ".") + "}", route.resource.canonical),
            )
            for route in app.router.routes()
            if route.method != "HEAD" and route.resource is not None
        }

    return asyncio.run(body())


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if "$ref" in value:
            yield value["$ref"]
        for below in value.values():
            yield from references(below)
    elif isinstance(value, list):
        for below in value:
            yield from references(below)


def test_the_document_names_exactly_what_is_served() -> None:
    documented = {(method.upper(), path) for path, methods in document()["paths"].items() for method in methods}
    assert documented == served_operations()


def test_rest_has_every_rpc_but_the_stream_which_is_server_sent_events() -> None:
    rpcs = {method.name for method in api.DESCRIPTOR.services_by_name["Management"].methods}
    over_rest = {route.operation.__name__.title().replace("_", "") for route in ROUTES}
    assert over_rest | {"StreamEvents"} == rpcs


def test_it_is_json_and_every_reference_leads_somewhere() -> None:
    whole = json.loads(json.dumps(document()))
    names = {f"#/components/schemas/{name}" for name in whole["components"]["schemas"]}
    assert set(references(whole)) <= names
    assert all(schema for schema in whole["components"]["schemas"].values())


def test_path_parameters_are_declared_and_operation_ids_unique() -> None:
    operations = [(path, operation) for path, methods in document()["paths"].items() for operation in methods.values()]
    for path, operation in operations:
        declared = {each["name"] for each in operation.get("parameters", ()) if each["in"] == "path"}
        assert declared == set(re.findall(r"\{([^}]+)\}", path)), path
    ids = [operation["operationId"] for _, operation in operations]
    assert len(ids) == len(set(ids))


def test_only_health_and_the_document_itself_are_open() -> None:
    open_paths = {
        path for path, methods in document()["paths"].items() for each in methods.values() if each.get("security") == []
    }
    assert open_paths == {"/healthz", "/openapi.json"}


def test_the_generated_code_is_what_proto_says(tmp_path: Path) -> None:
    from tools.generate_proto import drift

    assert drift() == []
