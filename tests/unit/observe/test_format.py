"""Format strings: syntax, text and JSON rendering, and the operators that stand alone."""

from __future__ import annotations

import json

import pytest

from dataplane.base.address import PipeAddress, SocketAddress
from dataplane.base.errors import ConfigError, FieldPath
from dataplane.observe import flags
from dataplane.observe.format import DEFAULT_HTTP_FORMAT, JsonFormat, TextFormat
from dataplane.observe.formatter_context import FormatterContext
from dataplane.observe.stream_info import StreamInfo
from dataplane.observe.timestamps import compile_time_format, iso_milliseconds
from dataplane.semantics.header_map import HeaderMap, RequestHeaders, ResponseHeaders

AT = FieldPath("AccessLog") / "format"


def sample() -> FormatterContext:
    info = StreamInfo()
    info.start_wall = 1_700_000_000.25
    info.start_at, info.request_end_at, info.response_begin_at, info.end_at = 10.0, 10.002, 10.0051, 10.009
    info.protocol, info.response_code, info.bytes_sent = "HTTP/1.1", 200, 43
    info.downstream_remote_address = SocketAddress("10.1.2.3", 4711)
    info.upstream_host = SocketAddress("::1", 8080)
    request = RequestHeaders(b"GET", b"/a/b?x=1&y=2", b"example.com", fields=[(b"user-agent", b"caf\xc3\xa9"), (b"x-b", b"beta")])
    return FormatterContext(info, request, ResponseHeaders(200, [(b"x-r", b"r")]), HeaderMap([(b"grpc-status", b"5")]))


def text(format_string: str, **options: bool) -> str:
    return TextFormat(format_string, AT, **options).render(sample()).decode("latin-1")


@pytest.mark.parametrize(
    ("format_string", "expected"),
    [
        ("plain %% text", "plain % text"),
        ("%REQ(:METHOD)% %REQ(:PATH)% %REQ(:AUTHORITY)%", "GET /a/b?x=1&y=2 example.com"),
        ("%REQ(X-A?X-B)%", "beta"),
        ("%REQ(X-A?X-C)%", "-"),
        ("%REQ(X-B):2%", "be"),
        ("%RESP(X-R)%|%RESP(:STATUS)%|%TRAILER(GRPC-STATUS)%", "r|200|5"),
        ("%START_TIME%", "2023-11-14T22:13:20.250Z"),
        ("%START_TIME(%Y/%m/%d %H:%M:%S.%3f %s)%", "2023/11/14 22:13:20.250 1700000000"),
        ("%DURATION% %REQUEST_DURATION% %RESPONSE_DURATION% %RESPONSE_TX_DURATION%", "9 2 5 3"),
        ("%REQUEST_TX_DURATION%", "-"),
        ("%COMMON_DURATION(DS_RX_BEG:US_RX_BEG:us)%", "5100"),
        ("%DOWNSTREAM_REMOTE_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%", "10.1.2.3:4711 10.1.2.3"),
        ("%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT(16)% %DOWNSTREAM_REMOTE_PORT%", "10.1.0.0/16 4711"),
        ("%UPSTREAM_HOST%", "[::1]:8080"),
        ("%PATH(NQ)% %QUERY_PARAM(y)% %QUERY_PARAM(z)%", "/a/b 2 -"),
        ("%RESPONSE_FLAGS% %BYTES_SENT% %UPSTREAM_CLUSTER%", "- 43 -"),
        ("%GRPC_STATUS%", "-"),
    ],
)
def test_text(format_string: str, expected: str) -> None:
    assert text(format_string) == expected


def test_a_stream_that_began_later_is_printed_with_its_own_second_and_no_duration_before_its_end() -> None:
    line = TextFormat("%START_TIME% %DURATION% %RESP(:STATUS?X-R)%", AT)
    first, later = sample(), sample()
    later.info.start_wall += 1.5
    later.info.end_at = 0.0
    later.response = None
    assert line.render(first) == b"2023-11-14T22:13:20.250Z 9 200"
    assert line.render(later) == b"2023-11-14T22:13:21.750Z - -"


def test_a_field_that_repeats_is_printed_once() -> None:
    context = sample()
    assert context.request is not None
    context.request.fields += [(b"x-b", b"second")]
    assert TextFormat("%REQ(X-B)%", AT).render(context) == b"beta"


def test_missing_values_vanish_when_told_so() -> None:
    assert text("[%REQ(NOPE)%]", omit_empty_values=True) == "[]"


def test_header_bytes_pass_unchanged() -> None:
    assert TextFormat("é %REQ(USER-AGENT)%", AT).render(sample()) == "é café".encode()


def test_a_percent_sign_is_written_twice() -> None:
    assert text("100%% %RESPONSE_CODE%%%b") == "100% 200%b"
    assert TextFormat("100%%b", AT).constant == b"100%b"


def test_the_default_format_is_one_line() -> None:
    line = text(DEFAULT_HTTP_FORMAT)
    assert line == (
        '[2023-11-14T22:13:20.250Z] "GET /a/b?x=1&y=2 HTTP/1.1" 200 - 0 43 9 - "-" "caf\xc3\xa9" "-" "example.com" "[::1]:8080"\n'
    )


def test_json_keeps_types_and_sorts_keys() -> None:
    shape = {
        "b": "%RESPONSE_CODE%",
        "a": {"who": "%REQ(USER-AGENT)%", "gone": "%REQ(NOPE)%"},
        "c": ["x-%BYTES_SENT%", 7, True, None],
    }
    line = JsonFormat(shape, AT).render(sample())
    assert line.endswith(b"\n")
    assert list(json.loads(line)) == ["a", "b", "c"]
    assert json.loads(line) == {"a": {"gone": None, "who": "café"}, "b": 200, "c": ["x-43", 7, True, None]}


def test_json_leaves_out_missing_values_when_told_so() -> None:
    line = JsonFormat({"gone": "%REQ(NOPE)%", "code": "%RESPONSE_CODE%"}, AT, omit_empty_values=True).render(sample())
    assert json.loads(line) == {"code": 200}


def test_json_leaves_out_objects_without_fields_but_not_empty_lists_and_texts() -> None:
    gone = "%REQ(NOPE)%"
    shape = {"a": [gone, 1, {}, {"x": gone}, [gone]], "b": {}, "c": {"d": {"e": gone}}, "n": None, "l": [], "s": ""}
    line = JsonFormat(shape, AT, omit_empty_values=True).render(sample())
    assert json.loads(line) == {"a": [1, []], "l": [], "s": ""}


def test_grpc_status_comes_from_trailers_in_three_spellings() -> None:
    context = sample()
    assert context.request is not None
    context.request.set(b"content-type", b"application/grpc")
    compiled = TextFormat("%GRPC_STATUS% %GRPC_STATUS(SNAKE_STRING)% %GRPC_STATUS_NUMBER%", AT)
    assert compiled.render(context) == b"NotFound NOT_FOUND 5"


@pytest.mark.parametrize(
    "bad",
    [
        "%NOPE%",
        "%REQ(a",
        "%",
        "%REQ()%",
        "%REQ(a?b?c)%",
        "%DURATION(x)%",
        "%PATH(XX)%",
        "%COMMON_DURATION(A:B)%",
        "%GRPC_STATUS(x)%",
    ],
)
def test_a_bad_format_names_its_place(bad: str) -> None:
    with pytest.raises(ConfigError) as caught:
        TextFormat(bad, AT)
    assert caught.value.at == AT


def test_response_flags_print_in_the_order_of_their_bits() -> None:
    assert flags.short(flags.UPSTREAM_CONNECTION_FAILURE | flags.UPSTREAM_RETRY_LIMIT_EXCEEDED) == "URX,UF"
    assert flags.short(flags.UPSTREAM_CONNECTION_FAILURE | flags.CONNECT_ATTEMPTS_EXCEEDED) == "UF,URX"
    assert flags.long(flags.NO_ROUTE_FOUND) == "NoRouteFound"
    assert flags.short(0) == "-"


def test_a_pipe_has_no_port() -> None:
    info = StreamInfo()
    info.upstream_host = PipeAddress("/run/app.sock")
    render = TextFormat("%UPSTREAM_HOST% %UPSTREAM_REMOTE_PORT%", AT).render
    assert render(FormatterContext(info)) == b"/run/app.sock -"


def test_time_formats() -> None:
    assert iso_milliseconds(0.0) == "1970-01-01T00:00:00.000Z"
    assert compile_time_format("%f|%1f|%6f|%E3S|100%%", local=False)(1.5) == "500000000|5|500000|01.500|100%"
