"""What filters keep for others to see, and the operator that prints it."""

from __future__ import annotations

import pytest

from dataplane.base.errors import ConfigError, FieldPath
from dataplane.observe.filter_state import Shown, keep, text_map
from dataplane.observe.format import JsonFormat, TextFormat
from dataplane.observe.formatter_context import FormatterContext
from dataplane.observe.stream_info import StreamInfo

AT = FieldPath() / "format"


class OfStream(StreamInfo):
    """A stream whose connection keeps something, too."""

    def __init__(self, connection: StreamInfo) -> None:
        super().__init__()
        self._connection = connection

    @property
    def of_connection(self) -> StreamInfo:
        return self._connection


def printed(text: str, info: StreamInfo) -> bytes:
    return TextFormat(text, AT).render(FormatterContext(info))


def test_an_object_is_printed_as_json_as_text_and_by_field() -> None:
    info = StreamInfo()
    keep(info, "a.b", text_map({"x": "1", "y": "ü"}))
    assert printed("%FILTER_STATE(a.b)% %FILTER_STATE(a.b:TYPED)%", info) == '{"x":"1","y":"ü"} {"x":"1","y":"ü"}'.encode()
    assert printed("%FILTER_STATE(a.b:PLAIN):6% %FILTER_STATE(a.b:FIELD:x)%", info) == b'{"x":" 1'
    assert printed("%FILTER_STATE(a.b:FIELD:z)% %FILTER_STATE(none)% %FILTER_STATE(none:FIELD:z)%", info) == b"- - -"


def test_json_formats_take_the_object_itself() -> None:
    info = StreamInfo()
    keep(info, "k", Shown({"b": [1], "a": None}))
    line = JsonFormat({"whole": "%FILTER_STATE(k)%", "plain": "%FILTER_STATE(k:PLAIN)%"}, AT).render(FormatterContext(info))
    assert line == b'{"plain":null,"whole":{"a":null,"b":[1]}}\n'


def test_a_stream_sees_what_its_connection_keeps_unless_it_has_its_own() -> None:
    connection = StreamInfo()
    keep(connection, "k", Shown("", "connection"))
    keep(connection, "c", Shown("", "its own"))
    stream = OfStream(connection)
    assert printed("%FILTER_STATE(k:PLAIN)%", stream) == b"connection"
    keep(stream, "k", Shown("", "stream"))
    assert printed("%FILTER_STATE(k:PLAIN)% %FILTER_STATE(c:PLAIN)%", stream) == b"stream its own"
    assert printed("%FILTER_STATE(k:PLAIN)%", connection) == b"connection"


def test_what_filters_share_among_themselves_is_not_printed() -> None:
    info = StreamInfo()
    keep(info, "private", object())
    assert printed("%FILTER_STATE(private)%", info) == b"-"


@pytest.mark.parametrize(
    ("argument", "reason"),
    [
        ("", "key cannot be empty"),
        (":PLAIN", "key cannot be empty"),
        ("a:b", "only support PLAIN/TYPED/FIELD"),
        ("a:FIELD", "FIELD should be used with the field name"),
        ("a:FIELD:", "FIELD should be used with the field name"),
        ("a:PLAIN:x", "FIELD should be used with the field name"),
    ],
)
def test_errors(argument: str, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        TextFormat(f"%FILTER_STATE({argument})%", AT)
