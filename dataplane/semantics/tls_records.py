"""The first message of a TLS connection, taken out of the records that it comes in, before anything is encrypted.

Here: what a server's library says of records that carry no handshake, so that logs name the same mistakes.
Not here: what the message says (client_hello).
Spec: RFC 8446 section 5.1 and 6; RFC 5246 appendix E.2 for the form that SSL 2.0 had.  Envoy: BoringSSL's ssl/tls_record.cc, ssl/s3_both.cc.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

CLIENT_HELLO: Final = 1
MESSAGE_HEAD: Final = 4

_ALERT: Final = 0x15
_HANDSHAKE: Final = 0x16
_MAJOR: Final = 3
_RECORD_HEAD: Final = 5
_MOST_IN_RECORD: Final = 16384 + 320
_MOST_IN_MESSAGE: Final = 16384
_MOST_EMPTY: Final = 32
_MOST_WARNINGS: Final = 4
_WARNING, _FATAL = 1, 2
_CLOSE_NOTIFY: Final = 0
_OF_ALERTS: Final = 1000  # where the numbers of reasons begin that are a peer's alerts
_V2_MOST: Final = 4096
_V2_LEAST: Final = 3
_REQUESTS: Final = (b"GET ", b"POST ", b"HEAD ", b"PUT ")


@dataclass(frozen=True, slots=True)
class NotTls:
    """Why the bytes are no TLS: the reason's name and number as the library has them."""

    reason: str
    number: int


class NoMessage(Enum):
    """Why there is no message (yet).  ENDED: the peer says that there will be none."""

    INCOMPLETE = "incomplete"
    ENDED = "ended"


HTTP_REQUEST: Final = NotTls("HTTP_REQUEST", 156)
HTTPS_PROXY_REQUEST: Final = NotTls("HTTPS_PROXY_REQUEST", 155)
PARSE_FAILED: Final = NotTls("CLIENTHELLO_PARSE_FAILED", 131)
WRONG_VERSION: Final = NotTls("WRONG_VERSION_NUMBER", 247)
_BAD_ALERT: Final = NotTls("BAD_ALERT", 102)
_DECODE_ERROR: Final = NotTls("DECODE_ERROR", 137)
_LENGTH_MISMATCH: Final = NotTls("RECORD_LENGTH_MISMATCH", 199)
_MESSAGE_TOO_LONG: Final = NotTls("EXCESSIVE_MESSAGE_SIZE", 150)
_RECORD_TOO_LARGE: Final = NotTls("RECORD_TOO_LARGE", 200)
_RECORD_TOO_LONG: Final = NotTls("ENCRYPTED_LENGTH_TOO_LONG", 146)
_TOO_MANY_EMPTY: Final = NotTls("TOO_MANY_EMPTY_FRAGMENTS", 219)
_TOO_MANY_WARNINGS: Final = NotTls("TOO_MANY_WARNING_ALERTS", 220)
_UNEXPECTED_MESSAGE: Final = NotTls("UNEXPECTED_MESSAGE", 223)
_UNEXPECTED_RECORD: Final = NotTls("UNEXPECTED_RECORD", 225)
_UNKNOWN_ALERT: Final = NotTls("UNKNOWN_ALERT_TYPE", 227)

_ALERTS: Final = {
    **{
        number: f"SSLV3_ALERT_{name}"
        for number, name in {
            0: "CLOSE_NOTIFY",
            10: "UNEXPECTED_MESSAGE",
            20: "BAD_RECORD_MAC",
            30: "DECOMPRESSION_FAILURE",
            40: "HANDSHAKE_FAILURE",
            41: "NO_CERTIFICATE",
            42: "BAD_CERTIFICATE",
            43: "UNSUPPORTED_CERTIFICATE",
            44: "CERTIFICATE_REVOKED",
            45: "CERTIFICATE_EXPIRED",
            46: "CERTIFICATE_UNKNOWN",
            47: "ILLEGAL_PARAMETER",
        }.items()
    },
    **{
        number: f"TLSV1_ALERT_{name}"
        for number, name in {
            21: "DECRYPTION_FAILED",
            22: "RECORD_OVERFLOW",
            48: "UNKNOWN_CA",
            49: "ACCESS_DENIED",
            50: "DECODE_ERROR",
            51: "DECRYPT_ERROR",
            60: "EXPORT_RESTRICTION",
            70: "PROTOCOL_VERSION",
            71: "INSUFFICIENT_SECURITY",
            80: "INTERNAL_ERROR",
            86: "INAPPROPRIATE_FALLBACK",
            90: "USER_CANCELLED",
            100: "NO_RENEGOTIATION",
            110: "UNSUPPORTED_EXTENSION",
            111: "CERTIFICATE_UNOBTAINABLE",
            112: "UNRECOGNIZED_NAME",
            113: "BAD_CERTIFICATE_STATUS_RESPONSE",
            114: "BAD_CERTIFICATE_HASH_VALUE",
            115: "UNKNOWN_PSK_IDENTITY",
            116: "CERTIFICATE_REQUIRED",
            120: "NO_APPLICATION_PROTOCOL",
            121: "ECH_REQUIRED",
        }.items()
    },
}


def first_message(data: bytes) -> bytes | NotTls | NoMessage:
    """The body of the ClientHello that *data*, which may go on, begins with."""
    if len(data) < _RECORD_HEAD:  # the library looks at nothing less, and so says the same however bytes come
        return NoMessage.INCOMPLETE
    if data.startswith(_REQUESTS):
        return HTTP_REQUEST
    if data.startswith(b"CONNE"):
        return HTTPS_PROXY_REQUEST
    if data[0] & 0x80 and data[2] == CLIENT_HELLO and data[3] == _MAJOR:
        return _of_version_2(data)
    return _of_records(data)


def _of_records(data: bytes) -> bytes | NotTls | NoMessage:
    message = b""
    position = empty = warnings = 0
    while True:
        record = _record(data, position)
        if not isinstance(record, bytes):
            return record
        kind = data[position]
        position += _RECORD_HEAD + len(record)
        if not record:
            empty += 1
            if empty > _MOST_EMPTY:
                return _TOO_MANY_EMPTY
        elif kind == _ALERT:
            warnings += 1
            found = _alert(record, warnings)
            if found is not None:
                return found
        elif kind != _HANDSHAKE:
            return _UNEXPECTED_RECORD
        else:
            empty = warnings = 0
            message += record
            complete = _message(message)
            if complete is not None:
                return complete


def _record(data: bytes, position: int) -> bytes | NotTls | NoMessage:
    """What the record at *position* carries."""
    head = data[position : position + _RECORD_HEAD]
    if len(head) < _RECORD_HEAD:
        return NoMessage.INCOMPLETE
    if head[1] != _MAJOR:
        return WRONG_VERSION
    size = int.from_bytes(head[3:])
    if size > _MOST_IN_RECORD:
        return _RECORD_TOO_LONG
    body = data[position + _RECORD_HEAD : position + _RECORD_HEAD + size]
    return body if len(body) == size else NoMessage.INCOMPLETE


def _message(message: bytes) -> bytes | NotTls | None:
    """The body of the whole message; None where more has to come."""
    if len(message) < MESSAGE_HEAD:
        return None
    size = int.from_bytes(message[1:MESSAGE_HEAD])
    if size > _MOST_IN_MESSAGE:
        return _MESSAGE_TOO_LONG
    if len(message) < MESSAGE_HEAD + size:
        return None
    return message[MESSAGE_HEAD : MESSAGE_HEAD + size] if message[0] == CLIENT_HELLO else _UNEXPECTED_MESSAGE


def _alert(record: bytes, warnings: int) -> NotTls | NoMessage | None:
    """What comes of an alert; None for one that is nothing but a warning."""
    if len(record) != 2:
        return _BAD_ALERT
    level, description = record
    if level == _WARNING:
        if description == _CLOSE_NOTIFY:
            return NoMessage.ENDED
        return _TOO_MANY_WARNINGS if warnings > _MOST_WARNINGS else None
    if level != _FATAL:
        return _UNKNOWN_ALERT
    number = _OF_ALERTS + description
    return NotTls(_ALERTS.get(description, f"reason({number})"), number)


def _of_version_2(data: bytes) -> bytes | NotTls | NoMessage:
    """A ClientHello in the form of SSL 2.0 for a later version, as that version's: without session and extensions."""
    size = (data[0] & 0x7F) << 8 | data[1]
    if size > _V2_MOST:
        return _RECORD_TOO_LARGE
    if size < _V2_LEAST:
        return _LENGTH_MISMATCH
    hello = data[2 : 2 + size]
    if len(hello) < size:
        return NoMessage.INCOMPLETE
    ciphers, session, challenge = (int.from_bytes(hello[start : start + 2]) for start in (3, 5, 7))
    if size != 9 + ciphers + session + challenge or ciphers % 3:
        return _DECODE_ERROR
    specs = [hello[start : start + 3] for start in range(9, 9 + ciphers, 3)]
    suites = b"".join(spec[1:] for spec in specs if not spec[0])
    random = hello[size - challenge :][:32].rjust(32, b"\0")
    return hello[1:3] + random + b"\0" + len(suites).to_bytes(2) + suites + b"\1\0"
