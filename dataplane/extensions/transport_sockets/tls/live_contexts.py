"""Contexts that follow their secrets: made anew when a secret they use is another object, for the next handshake; open connections stay.

Here: when.  Not here: what a context is made of (contexts).  What comes by SDS and cannot be used leaves the contexts before in use.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Generic, TypeVar

from dataplane.base.errors import ConfigError, FieldPath
from dataplane.compile.validation_context import check_validation
from dataplane.snapshot.secret import TlsCertificate, ValidationContext
from dataplane.snapshot.tls import CommonTls

log = logging.getLogger("config")

Built = TypeVar("Built")
Materials = tuple[tuple[TlsCertificate, ...], ValidationContext | None]
Build = Callable[[tuple[TlsCertificate, ...], ValidationContext | None], Built]


class LiveContexts(Generic[Built]):
    """build: from all certificates and the merged validation context; raises ConfigError."""

    __slots__ = ("_build", "_common", "_of", "_seen", "current", "materials")

    def __init__(self, common: CommonTls, build: Build[Built]) -> None:
        """Without references the contexts are made now, and once for all.  Raises ConfigError."""
        self._common = common
        self._build = build
        self._seen: Mapping[str, object] | None = None
        self._of: tuple[object, ...] = ()
        self.current: Built | None = None
        self.materials: Materials | None = None  # what the current contexts are made of
        if not common.references:
            self.current = build(common.certificates, common.validation)
            self.materials = (common.certificates, common.validation)

    def follow(self, secrets: Mapping[str, object]) -> Built | None:
        """The contexts for a handshake that begins now, None while a secret has never been there."""
        if secrets is not self._seen and self._common.references:
            self._seen = secrets
            self._renew(secrets)
        return self.current

    def _renew(self, secrets: Mapping[str, object]) -> None:
        found = tuple(secrets.get(reference.key) for reference in self._common.references)
        if None in found or (len(found) == len(self._of) and all(new is old for new, old in zip(found, self._of, strict=True))):
            return
        self._of = found
        try:
            materials = self._materials(found)
            self.current = self._build(*materials)
            self.materials = materials
        except ConfigError as error:
            names = ", ".join(reference.name for reference in self._common.references)
            log.error("secrets %s cannot be used, what was in use before stays: %s", names, error)

    def _materials(self, found: tuple[object, ...]) -> Materials:
        common = self._common
        count = len(common.certificate_references)
        certificates = list(common.certificates)
        for secret, reference in zip(found, common.references, strict=True):
            wanted = TlsCertificate if reference in common.certificate_references else ValidationContext
            if not isinstance(secret, wanted):
                raise ConfigError(FieldPath("Secret", reference.name), f"is not a {wanted.__name__}")
            if isinstance(secret, TlsCertificate):
                certificates.append(secret)
        validation = common.validation
        if common.validation_reference is not None and isinstance(found[count], ValidationContext):
            from_secret = found[count]
            assert isinstance(from_secret, ValidationContext)
            validation = from_secret if validation is None else validation.merged(from_secret)
            check_validation(validation, FieldPath("Secret", common.validation_reference.name))
        return tuple(certificates), validation
