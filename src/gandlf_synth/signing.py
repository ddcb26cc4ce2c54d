"""Signatures with a key of the user's own over what a file says of its origin (Ed25519, RFC 8032)."""

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gandlf_synth.errors import ConfigError, MissingExtraError, Problem, option

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

SIGNATURE = "signature"
"""Where a signed record holds its signature."""
_ALGORITHM = "Ed25519"
_MAKE_KEY = "make one with: openssl genpkey -algorithm ed25519 -out key.pem"
_ALLOWED = "an Ed25519 key as PEM or of OpenSSH"


@dataclass(frozen=True)
class Signer:
    """Signs records.

    Args:
        key: the private key.
    """

    key: "Ed25519PrivateKey"

    @property
    def public_key(self) -> "PublicKey":
        """The key that tells these signatures from others."""
        return PublicKey(self.key.public_key().public_bytes_raw())

    def sign(self, record: Mapping[str, Any]) -> dict[str, Any]:
        """Return ``record``, which JSON can hold, with a signature over all of it."""
        value = self.key.sign(_signed_bytes(record))
        signature = {
            "algorithm": _ALGORITHM,
            "public_key": base64.b64encode(self.public_key.content).decode(),
            "value": base64.b64encode(value).decode(),
        }
        return {**record, SIGNATURE: signature}


@dataclass(frozen=True)
class PublicKey:
    """Whose signatures are looked for.

    Args:
        content: the 32 bytes of the key.
    """

    content: bytes

    @property
    def fingerprint(self) -> str:
        """16 hexadecimal digits by which people tell keys apart."""
        return hashlib.sha256(self.content).hexdigest()[:16]


def read_signer(path: Path) -> Signer:
    """Return what signs with the private key in a file.

    Raises:
        ConfigError: the file is missing, is protected by a password, or holds no private Ed25519 key.
        MissingExtraError: cryptography is not installed.
    """
    from_pem, from_ssh = _reader("load_pem_private_key"), _reader("load_ssh_private_key")
    content, where = _key_file(path, "sign_key")
    load = from_ssh if b"OPENSSH" in content else from_pem
    if b"PUBLIC KEY" in content or content.startswith(b"ssh-"):
        raise ConfigError(Problem(where, "holds a public key, which cannot sign", "the private key of the pair"))
    try:
        key = load(content, password=None)
    except TypeError as error:
        fix = "write a copy without one: openssl pkey -in key.pem -out plain.pem"
        raise ConfigError(Problem(where, "is protected by a password", "a key without password", fix)) from error
    except ValueError as error:
        raise ConfigError(Problem(where, "holds no private key", _ALLOWED, _MAKE_KEY)) from error
    _check_kind(key, "Ed25519PrivateKey", where)
    return Signer(key)


def read_public_key(path: Path) -> PublicKey:
    """Return the public key in a file, or that of the private key in it.

    Raises:
        ConfigError: the file is missing or holds no Ed25519 key.
        MissingExtraError: cryptography is not installed.
    """
    from_pem, from_ssh = _reader("load_pem_public_key"), _reader("load_ssh_public_key")
    content, where = _key_file(path, "public_key")
    if b"PRIVATE KEY" in content:
        return read_signer(path).public_key
    try:
        key = (from_ssh if content.startswith(b"ssh-") else from_pem)(content)
    except ValueError as error:
        raise ConfigError(Problem(where, "holds no public key", _ALLOWED)) from error
    _check_kind(key, "Ed25519PublicKey", where)
    return PublicKey(key.public_bytes_raw())


def signing_key(record: Mapping[str, Any]) -> PublicKey | None:
    """Return the key that a record says it was signed with; None without a signature that can be read."""
    signature = record.get(SIGNATURE)
    try:
        return PublicKey(base64.b64decode(signature["public_key"], validate=True))  # type: ignore[index]
    except (TypeError, KeyError, ValueError):
        return None


def is_signature_valid(record: Mapping[str, Any]) -> bool:
    """Say whether the signature of ``record`` is by the key that it names, over what the record says now.

    Raises:
        MissingExtraError: cryptography is not installed.
    """
    _reader("load_pem_public_key")
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    key = signing_key(record)
    if key is None:
        return False
    rest = {name: value for name, value in record.items() if name != SIGNATURE}
    try:
        value = base64.b64decode(record[SIGNATURE]["value"], validate=True)
        Ed25519PublicKey.from_public_bytes(key.content).verify(value, _signed_bytes(rest))
    except (InvalidSignature, ValueError, TypeError, KeyError):
        return False
    return bool(record[SIGNATURE].get("algorithm") == _ALGORITHM)


def _signed_bytes(record: Mapping[str, Any]) -> bytes:
    """Return what is signed: JSON without spaces, keys sorted, in ASCII."""
    return json.dumps(record, sort_keys=True, separators=(",", ":")).encode()


def _key_file(path: Path, name: str) -> tuple[bytes, str]:
    where = f"{option(name)} {path}"
    try:
        return path.read_bytes().lstrip(), where
    except OSError as error:
        what = "does not exist" if isinstance(error, FileNotFoundError) else f"cannot be read: {error.strerror}"
        raise ConfigError(Problem(where, what, _ALLOWED, _MAKE_KEY)) from error


def _reader(name: str) -> Any:
    """Return a function of cryptography that reads keys."""
    try:
        from cryptography.hazmat.primitives import serialization
    except ImportError as error:
        raise MissingExtraError("signatures", "cryptography", "sign") from error
    return getattr(serialization, name)


def _check_kind(key: object, kind: str, where: str) -> None:
    if not type(key).__name__.endswith(kind):
        other = type(key).__name__.removeprefix("_").removesuffix("PrivateKey").removesuffix("PublicKey")
        raise ConfigError(Problem(where, f"holds a key of another kind: {other}", _ALLOWED, _MAKE_KEY))
