"""Access loggers, their formats and filters."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dataplane.base.errors import ConfigError, FieldPath
from dataplane.compile.access_log import compile_access_logs, compile_format
from dataplane.compile.access_log_filter import compile_log_filter
from dataplane.compile.context import CompileContext
from dataplane.observe import flags
from dataplane.observe.formatter_context import FormatterContext
from dataplane.observe.log_file import LogFiles
from dataplane.observe.stream_info import StreamInfo
from dataplane.semantics.header_map import RequestHeaders
from tests.support.compiling import message

AT = FieldPath("Test")
LOGGERS = "type.googleapis.com/envoy.extensions.access_loggers"
REQUEST = RequestHeaders(b"GET", b"/p", b"h", fields=[(b"x", b"1")])


def info(code: int = 200, milliseconds: int = 0, response_flags: int = 0) -> StreamInfo:
    made = StreamInfo()
    made.response_code, made.response_flags = code, response_flags
    made.start_at, made.end_at = 10.0, 10.0 + milliseconds / 1000
    return made


def wants(filter_: dict[str, Any], made: StreamInfo, runtime: dict[str, object] | None = None) -> bool:
    compiled = compile_log_filter(
        message("envoy.config.accesslog.v3.AccessLogFilter", filter_), AT, CompileContext(runtime=runtime or {})
    )
    return compiled(FormatterContext(made, REQUEST))


def comparison(op: str, value: int) -> dict[str, Any]:
    return {"comparison": {"op": op, "value": {"default_value": value, "runtime_key": "k"}}}


@pytest.mark.parametrize(
    ("op", "expected"),
    [("EQ", [False, True, False]), ("GE", [False, True, True]), ("LE", [True, True, False]), ("NE", [True, False, True])],
)
def test_status_codes_are_compared(op: str, expected: list[bool]) -> None:
    assert [wants({"status_code_filter": comparison(op, 400)}, info(code)) for code in (399, 400, 401)] == expected


def test_a_runtime_layer_overrides_the_value() -> None:
    assert wants({"status_code_filter": comparison("GE", 400)}, info(200), {"k": 100})


def test_durations_are_compared_in_milliseconds() -> None:
    assert wants({"duration_filter": comparison("GE", 100)}, info(milliseconds=101))
    assert not wants({"duration_filter": comparison("GE", 100)}, info(milliseconds=99))


def test_flags() -> None:
    timed_out = info(response_flags=flags.UPSTREAM_REQUEST_TIMEOUT)
    assert wants({"response_flag_filter": {"flags": ["UT", "UF"]}}, timed_out)
    assert not wants({"response_flag_filter": {"flags": ["UF"]}}, timed_out)
    assert wants({"response_flag_filter": {}}, timed_out)
    assert not wants({"response_flag_filter": {}}, info())


def test_headers_and_combinations() -> None:
    has_x, has_y = ({"header_filter": {"header": {"name": name, "present_match": True}}} for name in "xy")
    assert wants({"and_filter": {"filters": [has_x, {"not_health_check_filter": {}}]}}, info())
    assert not wants({"and_filter": {"filters": [has_x, has_y]}}, info())
    assert wants({"or_filter": {"filters": [has_y, has_x]}}, info())
    assert not wants({"or_filter": {"filters": [has_y, has_y]}}, info())


def test_without_a_request_no_header_is_there() -> None:
    made = message(
        "envoy.config.accesslog.v3.AccessLogFilter", {"header_filter": {"header": {"name": "x", "present_match": False}}}
    )
    assert not compile_log_filter(made, AT, CompileContext())(FormatterContext(info()))


@pytest.mark.parametrize(
    ("filter_", "text"),
    [
        ({}, "Test.filter_specifier: is required"),
        ({"traceable_filter": {}}, "Test.traceable_filter: not supported"),
        ({"response_flag_filter": {"flags": ["XX"]}}, "Test.response_flag_filter.flags: unknown response flag 'XX'"),
    ],
)
def test_bad_filters(filter_: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        wants(filter_, info())
    assert str(caught.value) == text


def logged(tmp_path: Path, *, filter_: dict[str, Any] | None = None, made: StreamInfo | None = None, **fields: Any) -> bytes:
    """What a file logger writes of one request."""
    path = tmp_path / "log"
    log = {"name": "file", "typed_config": {"@type": f"{LOGGERS}.file.v3.FileAccessLog", "path": str(path), **fields}}
    if filter_ is not None:
        log["filter"] = filter_
    context = CompileContext(log_files=LogFiles())
    (logger,) = compile_access_logs([message("envoy.config.accesslog.v3.AccessLog", log)], AT, context)
    assert context.problems.errors == []
    logger.log(FormatterContext(made or info(), REQUEST))
    context.log_files.close()
    return path.read_bytes() if path.exists() else b""


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"format": "%REQ(x)% %RESPONSE_CODE%\n"}, b"1 200\n"),
        ({"log_format": {"text_format": "%REQ(y)%|"}}, b"-|"),
        ({"log_format": {"text_format": "%REQ(y)%|", "omit_empty_values": True}}, b"|"),
        ({"log_format": {"text_format_source": {"inline_string": "t"}}}, b"t"),
        ({"log_format": {"json_format": {"b": "%RESPONSE_CODE%", "a": "x"}}}, b'{"a":"x","b":200}\n'),
        ({"json_format": {"b": "%RESPONSE_CODE%"}}, b'{"b":200}\n'),
    ],
)
def test_formats(tmp_path: Path, fields: dict[str, Any], expected: bytes) -> None:
    assert logged(tmp_path, **fields) == expected


def test_the_default_format(tmp_path: Path) -> None:
    assert b'"GET /p -" 200 - 0 0' in logged(tmp_path)


def test_a_filter_stands_before_the_logger(tmp_path: Path) -> None:
    errors_only = {"status_code_filter": comparison("GE", 500)}
    assert logged(tmp_path, filter_=errors_only, format="x") == b""
    assert logged(tmp_path, filter_=errors_only, format="x", made=info(500)) == b"x"


def test_standard_streams(capfd: pytest.CaptureFixture[str]) -> None:
    context = CompileContext(log_files=LogFiles())
    logs = [
        {
            "name": kind,
            "typed_config": {"@type": f"{LOGGERS}.stream.v3.{kind}AccessLog", "log_format": {"text_format": f"to {kind}\n"}},
        }
        for kind in ("Stdout", "Stderr")
    ]
    for logger in compile_access_logs([message("envoy.config.accesslog.v3.AccessLog", log) for log in logs], AT, context):
        logger.log(FormatterContext(info(), REQUEST))
    context.log_files.close()
    assert capfd.readouterr() == ("to Stdout\n", "to Stderr\n")


@pytest.mark.parametrize(
    ("config", "text"),
    [
        ({"path": "/no/such/log"}, "typed_config.path: unable to open file '/no/such/log': No such file or directory"),
        ({"path": "/"}, "typed_config.path: unable to open file '/'"),
        ({"path": "/tmp/log", "format": "%NO%"}, "typed_config.format: Not supported field in StreamInfo: NO"),
        ({"path": "/tmp/log", "log_format": {}}, "typed_config.log_format.format: is required"),
    ],
)
def test_bad_loggers(config: dict[str, Any], text: str) -> None:
    context = CompileContext()
    log = {"name": "file", "typed_config": {"@type": f"{LOGGERS}.file.v3.FileAccessLog", **config}}
    assert compile_access_logs([message("envoy.config.accesslog.v3.AccessLog", log)], AT, context) == ()
    assert text in str(context.problems.errors[0])


def test_a_format_must_be_given() -> None:
    with pytest.raises(ConfigError, match="is required"):
        compile_format(message("envoy.config.core.v3.SubstitutionFormatString", {}), AT)
