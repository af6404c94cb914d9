"""`*_headers_to_add` and `*_headers_to_remove` → HeaderMutations.

Not here: the order of levels (compile.route), applying them (routing.header_mutations).
Envoy: config.core.v3.HeaderValueOption; configuration/http/http_conn_man/headers, "Custom request/response headers".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final, Protocol

from envoy.config.core.v3.base_pb2 import HeaderValue, HeaderValueOption

from dataplane.base.errors import ConfigError, FieldPath
from dataplane.compile.context import CompileContext
from dataplane.compile.support import supports
from dataplane.matching.header import is_pseudo
from dataplane.observe.format import TextFormat
from dataplane.routing.header_mutations import APPEND_IF_EXISTS_OR_ADD, OVERWRITE_IF_EXISTS_OR_ADD
from dataplane.routing.route import HeaderAddition, HeaderMutations

if TYPE_CHECKING:
    from dataplane.observe.formatter_context import FormatterContext

supports(HeaderValue, "key", "value", "raw_value")
supports(HeaderValueOption, "header", "append", "append_action", "keep_empty_value")

# Older spellings that Envoy translates in header values only: %DYNAMIC_METADATA(["a", "b"])%, %PER_REQUEST_STATE(key)%.
_METADATA_LIST: Final = re.compile(r"%((?:UPSTREAM|DYNAMIC)_METADATA)\(\s*\[(.*?)\]\s*\)%")
_PER_REQUEST_STATE: Final = re.compile(r"%PER_REQUEST_STATE\((.*?)\)%")

HeaderFormat = Callable[["FormatterContext"], bytes]


class Mutated(Protocol):
    """The fields that four levels of a route configuration have in common."""

    request_headers_to_add: Iterable[HeaderValueOption]
    request_headers_to_remove: Iterable[str]
    response_headers_to_add: Iterable[HeaderValueOption]
    response_headers_to_remove: Iterable[str]


def compile_mutations(level: Mutated, at: FieldPath, context: CompileContext) -> HeaderMutations | None:
    """What one level does to headers, None for nothing.  Errors go to the context."""
    mutations = HeaderMutations(
        request_add=compile_additions(level.request_headers_to_add, at / "request_headers_to_add", context),
        request_remove=_compile_removals(level.request_headers_to_remove, at / "request_headers_to_remove", context),
        response_add=compile_additions(level.response_headers_to_add, at / "response_headers_to_add", context),
        response_remove=_compile_removals(level.response_headers_to_remove, at / "response_headers_to_remove", context),
    )
    return None if mutations == _NOTHING else mutations


_NOTHING: Final = HeaderMutations()


def compile_additions(options: Iterable[HeaderValueOption], at: FieldPath, context: CompileContext) -> tuple[HeaderAddition, ...]:
    additions = []
    for index, option in enumerate(options):
        with context.problems.collect():
            additions.append(compile_addition(option, at / index))
    return tuple(additions)


def compile_addition(option: HeaderValueOption, at: FieldPath) -> HeaderAddition:
    """One `HeaderValueOption`."""
    name = option.header.key.lower().encode()
    if is_pseudo(name):
        raise ConfigError(at / "header" / "key", ":-prefixed or host headers may not be modified")
    action = option.append_action
    if option.HasField("append"):
        if action != APPEND_IF_EXISTS_OR_ADD:
            raise ConfigError(at / "append", "Both append and append_action are set and it's not allowed")
        if not option.append.value:
            action = OVERWRITE_IF_EXISTS_OR_ADD
    value: bytes | HeaderFormat
    if option.header.raw_value:
        value = bytes(option.header.raw_value)
    else:
        value = compile_header_format(option.header.value, at / "header" / "value")
    return HeaderAddition(name, value, action, option.keep_empty_value)


def compile_header_format(text: str, at: FieldPath) -> bytes | HeaderFormat:
    """A format string for a header's value: bytes where nothing in it changes.  What is missing prints as nothing."""
    text = _METADATA_LIST.sub(_flatten_path, text)
    text = _PER_REQUEST_STATE.sub(r"%FILTER_STATE(\1:PLAIN)%", text)
    compiled = TextFormat(text, at, omit_empty_values=True)
    return compiled.render if compiled.constant is None else compiled.constant


def _flatten_path(found: re.Match[str]) -> str:
    keys = [item.strip().strip('"') for item in found[2].split(",")]
    return f"%{found[1]}({':'.join(keys)})%"


def _compile_removals(names: Iterable[str], at: FieldPath, context: CompileContext) -> tuple[bytes, ...]:
    removals = []
    for index, name in enumerate(names):
        lower = name.lower().encode()
        if is_pseudo(lower):
            context.problems.add(at / index, ":-prefixed or host headers may not be removed")
        removals.append(lower)
    return tuple(removals)
