"""The connections of fsspec: how each is opened, and what its errors mean."""

import os
import sys
from http import HTTPStatus
from types import MethodType
from typing import Any

from gandlf_synth.errors import DataError, GandlfSynthError, MissingExtraError, Problem, ResourceError

READ_ONLY = ("http", "https")
_S3 = ("s3", "s3a")
_SILENCE = 60
"""Seconds without a byte after which an attempt is given up."""
_PACKAGES = {"s3": "s3fs", "s3a": "s3fs", "gs": "gcsfs", "gcs": "gcsfs", "az": "adlfs", "abfs": "adlfs"}
_LIBRARY_ERRORS = (
    ("aiohttp", "ClientError"), ("botocore.exceptions", "BotoCoreError"), ("botocore.exceptions", "ClientError"),
    ("gcsfs.retry", "HttpError"), ("google.auth.exceptions", "GoogleAuthError"),
    ("azure.core.exceptions", "AzureError"),
)  # fmt: skip
"""What the transports raise beside ``OSError``."""
_NO_CREDENTIALS = (
    ("botocore.exceptions", "NoCredentialsError"), ("botocore.exceptions", "PartialCredentialsError"),
    ("botocore.exceptions", "CredentialRetrievalError"), ("botocore.exceptions", "ProfileNotFound"),
    ("botocore.exceptions", "TokenRetrievalError"), ("botocore.exceptions", "SSOError"),
    ("google.auth.exceptions", "GoogleAuthError"), ("azure.core.exceptions", "ClientAuthenticationError"),
)  # fmt: skip
_NO_BUCKET = ("specified bucket does not exist", "specified container does not exist")
_CREDENTIALS = {
    **dict.fromkeys(("gs", "gcs"), "GOOGLE_APPLICATION_CREDENTIALS"),
    **dict.fromkeys(("az", "abfs"), "AZURE_STORAGE_CONNECTION_STRING"),
}
"""The variable that is named where access is refused; that of S3 for all others."""


def connect(url: str) -> Any:
    """Return fsspec's file system for ``url``, which does not try again by itself where that can be said.

    Raises:
        MissingExtraError: its package is not installed.
        DataError: fsspec does not know the protocol.
        ResourceError: it wants credentials.
    """
    import fsspec

    protocol = url.partition(":")[0]
    # Of buckets of one zone, gcsfs reads by a second way with attempts of its own; who has one sets this variable.
    os.environ.setdefault("GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT", "false")
    if protocol not in fsspec.available_protocols():
        allowed = "s3://, gs://, az://, http://, https://, or the path of a folder"
        raise DataError(Problem(url, f"cannot be read: {protocol}:// is no protocol that fsspec knows", allowed))
    try:
        files = fsspec.filesystem(protocol, skip_instance_cache=True, **_options(protocol))
    except ImportError as error:
        raise MissingExtraError(url, _PACKAGES.get(protocol, error.name or protocol), "cloud") from error
    except ValueError as error:  # adlfs asks for the account so
        raise _forbidden(url, error) from error
    _ask_once(files)
    return files


def _ask_once(files: Any) -> None:
    """Let a file system give up after one attempt, for which none of them has an argument: we try again ourselves."""
    if hasattr(files, "retries"):  # s3fs
        files.retries = 1
    for name in ("_request", "_get_file_request"):  # gcsfs: up to 32 s between its attempts
        once = getattr(getattr(type(files), name, None), "__wrapped__", None)
        if once is not None:
            setattr(files, name, MethodType(once, files))
    settings = getattr(getattr(files, "service_client", None), "_config", None)  # adlfs
    if (policy := getattr(settings, "retry_policy", None)) is not None:
        policy.total_retries = 0


def fetch_file(files: Any, url: str, target: str) -> None:
    """Write what ``url`` names into a file of this machine, asking once."""
    # In one stream: gcsfs asks again for each of several. Shards come beside each other anyway.
    options = {"concurrency": 1} if url.startswith(("gs:", "gcs:")) else {}
    files.get_file(url, target, **options)


def _options(protocol: str) -> dict[str, Any]:
    if protocol in READ_ONLY:
        import aiohttp

        timeout = aiohttp.ClientTimeout(total=None, sock_connect=_SILENCE, sock_read=_SILENCE)
        return {"client_kwargs": {"timeout": timeout}}
    if protocol in _S3:
        once = {"retries": {"total_max_attempts": 1}, "connect_timeout": _SILENCE, "read_timeout": _SILENCE}
        return {"config_kwargs": once}
    return {}


def library_errors(own: type[Exception]) -> tuple[type[Exception], ...]:
    """Return what a file system raises where a network or server fails, and ``own``."""
    return (OSError, own, *_loaded(_LIBRARY_ERRORS))


def _loaded(names: tuple[tuple[str, str], ...]) -> list[type[Exception]]:
    modules = [(sys.modules.get(module), name) for module, name in names]
    return [getattr(module, name) for module, name in modules if hasattr(module, name)]


def refusal_of(where: str, error: BaseException, *, writes: bool) -> GandlfSynthError | None:
    """Return what no further attempt changes: no such file (where one writes: no bucket), or it is forbidden."""
    status, text = _status(error), str(error)
    if isinstance(error, FileNotFoundError) or status == HTTPStatus.NOT_FOUND:
        return missing(where, writes or any(words in text for words in _NO_BUCKET))
    refused = isinstance(error, (PermissionError, *_loaded(_NO_CREDENTIALS))) or text.startswith("Forbidden:")  # gcsfs
    return _forbidden(where, error) if refused or status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN) else None


def _status(error: BaseException) -> int | None:
    """Return the status that a server answered: aiohttp, azure and gcsfs have a name each for it."""
    known = (str(getattr(error, name, None)) for name in ("status", "status_code", "code"))
    return next((int(each) for each in known if each.isdigit()), None)


def _forbidden(where: str, error: BaseException) -> ResourceError:
    variable = _CREDENTIALS.get(where.partition(":")[0], "AWS_ACCESS_KEY_ID")
    fix = f"give credentials as the tools of this storage take them, such as {variable}"
    return ResourceError(Problem(where, f"may not be read or written: {_reason(error)}", fix=fix))


def failure_of(where: str, error: BaseException, number: int) -> ResourceError:
    """Return what a person is told after ``number`` attempts."""
    what = f"cannot be reached: {_reason(error)} (tried {number} times)"
    fix = "see whether the server and the network are there; begin again or resume, and what is there already is kept"
    return ResourceError(Problem(where, what, fix=fix))


def missing(where: str, is_bucket: bool = False) -> DataError:
    """Return the error for a file that is not there, or a bucket."""
    if is_bucket:
        return DataError(Problem(where, "is in a bucket that does not exist", fix="make the bucket, or name another"))
    fix = "see whether the address is right, and whether the store was copied as a whole"
    return DataError(Problem(where, "does not exist", fix=fix))


def _reason(error: BaseException) -> str:
    status, message = _status(error), getattr(error, "message", "")
    if status:
        return f"the server answers {status} {message}".strip().partition("\n")[0]
    return getattr(error, "strerror", None) or str(error).partition("\n")[0] or type(error).__name__
