"""A signature holds for what was signed and for nothing else, and keys that cannot be used are told."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization as keys
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gandlf_synth.errors import ConfigError
from gandlf_synth.signing import is_signature_valid, read_public_key, read_signer, signing_key

RECORD = {"seed": 7, "class": "Größe", "values": {"scale": [0.1]}}


def private(
    key: Ed25519PrivateKey | EllipticCurvePrivateKey,
    form: keys.PrivateFormat = keys.PrivateFormat.PKCS8,
    password: bytes = b"",
) -> bytes:
    if password:
        return key.private_bytes(keys.Encoding.PEM, form, keys.BestAvailableEncryption(password))
    return key.private_bytes(keys.Encoding.PEM, form, keys.NoEncryption())


@pytest.fixture
def key() -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(bytes(range(32)))


def test_what_was_signed_is_valid_until_anything_changes(key: Ed25519PrivateKey, tmp_path: Path) -> None:
    (tmp_path / "key.pem").write_bytes(private(key))
    signed = read_signer(tmp_path / "key.pem").sign(RECORD)

    assert is_signature_valid(signed)
    assert not is_signature_valid({**signed, "seed": 8})
    assert not is_signature_valid({**signed, "more": 1})
    assert not is_signature_valid({**signed, "signature": {**signed["signature"], "value": "AAAA"}})
    assert not is_signature_valid({**signed, "signature": "mine"})
    assert not is_signature_valid(RECORD)


def test_a_signature_can_be_checked_without_this_program(key: Ed25519PrivateKey, tmp_path: Path) -> None:
    """As the documentation says: JSON without spaces, keys sorted, in ASCII."""
    import base64
    import json

    (tmp_path / "key.pem").write_bytes(private(key))
    signed = read_signer(tmp_path / "key.pem").sign(RECORD)
    value = base64.b64decode(signed.pop("signature")["value"])

    key.public_key().verify(value, json.dumps(signed, sort_keys=True, separators=(",", ":")).encode())


def test_keys_of_openssl_and_openssh_are_one_key(key: Ed25519PrivateKey, tmp_path: Path) -> None:
    public = key.public_key()
    contents = {
        "pkcs8": private(key),
        "openssh": private(key, keys.PrivateFormat.OpenSSH),
        "spki": public.public_bytes(keys.Encoding.PEM, keys.PublicFormat.SubjectPublicKeyInfo),
        "ssh": public.public_bytes(keys.Encoding.OpenSSH, keys.PublicFormat.OpenSSH),
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)

    assert {read_public_key(tmp_path / name).content for name in contents} == {public.public_bytes_raw()}
    signed = read_signer(tmp_path / "openssh").sign(RECORD)
    assert signing_key(signed) == read_public_key(tmp_path / "spki")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "does not exist; allowed: an Ed25519 key as PEM or of OpenSSH; make one with: openssl genpkey"),
        (b"nothing", "holds no private key"),
        (private(Ed25519PrivateKey.generate(), password=b"secret"), "is protected by a password"),
        (private(generate_private_key(SECP256R1())), "holds a key of another kind: EC"),
        (
            Ed25519PrivateKey.generate()
            .public_key()
            .public_bytes(keys.Encoding.PEM, keys.PublicFormat.SubjectPublicKeyInfo),
            "holds a public key, which cannot sign",
        ),
    ],
)
def test_keys_that_cannot_sign_are_told(content: bytes | None, message: str, tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(ConfigError) as raised:
        read_signer(path)

    assert f"sign_key {path}: {message}" in str(raised.value)
