"""Names of curves and signature algorithms: BoringSSL's, as Envoy 1.40 takes them, in the words of OpenSSL."""

from __future__ import annotations

import pytest

from dataplane.base.errors import ConfigError, FieldPath
from dataplane.compile.tls_names import curves, signature_algorithms

AT = FieldPath("tls_params")


@pytest.mark.parametrize(
    ("given", "names"),
    [
        (["ecdsa_secp256r1_sha256"], ("ecdsa_secp256r1_sha256",)),
        (["ECDSA+SHA384", "PSS+SHA256"], ("ecdsa_secp384r1_sha384", "rsa_pss_rsae_sha256")),
        (["RSA-PSS+SHA512:RSA+SHA512"], ("rsa_pss_rsae_sha512", "rsa_pkcs1_sha512")),
        (["ed25519", "rsa_pkcs1_sha1", "ECDSA+SHA1"], ("ed25519", "rsa_pkcs1_sha1", "ecdsa_sha1")),
        ([""], ()),
    ],
)
def test_signature_algorithms(given: list[str], names: tuple[str, ...]) -> None:
    assert signature_algorithms(given, AT) == names


@pytest.mark.parametrize(
    "given", [["nonsense"], ["ECDSA_SECP256R1_SHA256"], ["ed448"], ["rsa_pss_pss_sha256"], ["RSA+SHA256", "rsa_pkcs1_sha256"]]
)
def test_signature_algorithms_that_envoy_refuses(given: list[str]) -> None:
    with pytest.raises(
        ConfigError, match=f"tls_params: Failed to initialize TLS signature algorithms {':'.join(given)}".replace("+", r"\+")
    ):
        signature_algorithms(given, AT)


@pytest.mark.parametrize(
    ("given", "names"),
    [
        (["X25519", "P-256"], ()),  # what OpenSSL does by itself
        (["P-384", "x25519", "secp521r1"], ("secp384r1", "X25519", "secp521r1")),
        (["P-256:P-384"], ("prime256v1", "secp384r1")),
        (["X25519MLKEM768"], ("X25519MLKEM768",)),
    ],
)
def test_curves(given: list[str], names: tuple[str, ...]) -> None:
    assert curves(given, AT) == names


@pytest.mark.parametrize("given", [["P-224"], ["P-384", "secp384r1"]])
def test_curves_that_envoy_refuses(given: list[str]) -> None:
    with pytest.raises(ConfigError, match=f"tls_params: Failed to initialize ECDH curves {':'.join(given)}"):
        curves(given, AT)
