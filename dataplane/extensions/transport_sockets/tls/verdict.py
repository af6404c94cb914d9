"""What was found of a peer's certificate after the handshake."""

from __future__ import annotations

from enum import Enum


class Verdict(Enum):
    """The value is Envoy's reason, after `verify cert failed: `.

    UNTRUSTED: its chain is not good, of peers who are let in all the same; others the library turns away itself.
    The last four are of SPIFFE: no certificate for an identity; none whose trust domain is known; not vouched for by an authority of its
    domain; not one of those that are wanted.
    """

    GOOD = ""
    SAN = "SAN matcher"
    HASH = "cert hash and spki"
    UNTRUSTED = "X509_verify_cert: certificate verification error"
    NO_IDENTITY = "cert precheck"
    NO_DOMAIN = "no trust bundle store"
    NO_AUTHORITY = "X509_verify_cert: certificate verification error at depth 0: unable to get local issuer certificate"
    IDENTITY = "SAN match"
