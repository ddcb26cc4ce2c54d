"""Whether synthetic images are still as they were made: their marks, checksums and signatures, file by file."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nibabel.filebasedimages import ImageFileError

from gandlf_synth.data.formats.checksums import content_sha256, pixels_sha256
from gandlf_synth.data.formats.readers import UnreadableError, is_readable, read_image
from gandlf_synth.data.formats.readers.store_file import StoreReader
from gandlf_synth.data.formats.shards.index import open_store, store_location
from gandlf_synth.data.formats.writers import read_provenance, writer_of
from gandlf_synth.errors import DataError, GandlfSynthError, Problem
from gandlf_synth.files import read_json
from gandlf_synth.model_folder import InferenceFolder
from gandlf_synth.signing import SIGNATURE, PublicKey, is_signature_valid, signing_key

_FILES, _PIXELS, _BYTES = "files", "pixels_sha256", "sha256"
_DAMAGED = "cannot be read: it is damaged"


@dataclass(frozen=True)
class FileVerdict:
    """What is true of one file.

    Args:
        file: the image, or the file that describes it.
        ok: whether it is marked as synthetic and as it was made.
        sentence: what was found, for a person.
        signed_by: the fingerprint of the key whose signature is valid; empty without one.
    """

    file: Path
    ok: bool
    sentence: str
    signed_by: str = ""


@dataclass(frozen=True)
class _Sidecar:
    path: Path
    record: Mapping[str, Any]


def verify(path: Path, public_key: PublicKey | None = None) -> list[FileVerdict]:
    """Return a verdict on each synthetic image in a folder, or on one file.

    Args:
        path: an image (a file, or the folder of a DICOM series), a sidecar, or a folder with both, in any layout.
        public_key: by which all of them must be signed; None: a signature must be valid where there is one.

    Raises:
        DataError: the path does not exist, or the folder holds no images.
        MissingExtraError: something is signed, and cryptography is not installed.
    """
    if not path.exists():
        raise DataError(Problem(str(path), "does not exist"))
    is_one = path.is_file() or read_provenance(path) is not None
    sidecars = _sidecars(path.parent if is_one else path)
    named = _by_file(sidecars)
    if not is_one:
        found = sorted(file for file in path.rglob("*") if file.is_file() and _may_be_image(file, path))
        files = [*named, *(file for file in found if file not in named)]
    elif path.suffix == ".json":
        files = [file for file, sidecar in named.items() if sidecar.path == path]
    else:
        files = [path]
    images = [file for file in files if not any(parent in named for parent in file.parents)]
    verdicts = [_verdict(file, named.get(file), public_key) for file in images]
    verdicts += _table_verdicts(path)
    if not is_one and not verdicts:
        raise DataError(Problem(str(path), "holds no images that can be looked at", "what generate has written"))
    return sorted(verdicts, key=lambda verdict: verdict.file)


def _may_be_image(file: Path, root: Path) -> bool:
    hidden = any(part.startswith(".") for part in file.relative_to(root).parts)
    return not hidden and is_readable(file)


def _sidecars(folder: Path) -> list[_Sidecar]:
    found = []
    for path in sorted(folder.rglob("*.json")):
        with suppress(DataError):
            record = read_json(path)
            if isinstance(record.get(_FILES), list) and "synthetic" in record:
                found.append(_Sidecar(path, record))
    return found


def _by_file(sidecars: Sequence[_Sidecar]) -> dict[Path, _Sidecar]:
    """Return the sidecar of each file: the one that is called after it, where several name it."""
    named: dict[Path, _Sidecar] = {}
    for sidecar in sidecars:
        for name in sidecar.record[_FILES]:
            file = sidecar.path.parent / Path(str(name)).name
            if file not in named or file.name.startswith(f"{sidecar.path.stem}."):
                named[file] = sidecar
    return named


class _FaultError(Exception):
    """What is wrong with a file, for a person."""


def _verdict(file: Path, sidecar: _Sidecar | None, public_key: PublicKey | None) -> FileVerdict:
    try:
        if file.suffix in StoreReader.suffixes and file.is_file():
            return FileVerdict(file, ok=True, sentence=_stored(file, public_key))
        inside = _marks(file, sidecar)
        if inside is None:
            sentence, key = "is marked as synthetic, and says nothing more of its origin", ""
        else:
            sentence = _content(file, inside, sidecar)
            records = [record for record in (inside, sidecar and sidecar.record) if record]
            said, key = _signature(records, public_key)
            sentence += said
    except _FaultError as fault:
        return FileVerdict(file, ok=False, sentence=str(fault))
    return FileVerdict(file, ok=True, sentence=sentence, signed_by=key)


def _stored(file: Path, public_key: PublicKey | None) -> str:
    """Return that every image of a store of synthetic images has the checksum that its index says."""
    try:
        store = open_store(store_location(file), file.parent)
        if "synthetic" not in store.description.provenance:
            raise _FaultError("carries no mark: it is no store of synthetic images, or the mark was removed")
        for place in range(len(store)):
            StoreReader()(file, str(place))
    except UnreadableError as error:
        raise _FaultError(f"was changed: image {place} {error.what}") from error
    except GandlfSynthError as error:
        raise _FaultError(_DAMAGED) from error
    if public_key:
        raise _FaultError("is not signed")
    return f"holds {len(store):,} images, all as their checksums say; it is not signed"


def _marks(file: Path, sidecar: _Sidecar | None) -> Mapping[str, Any] | None:
    """Return the record inside a file, or None where it has only the mark for other programs."""
    if not file.exists():
        raise _FaultError("is missing: its sidecar names it")
    try:
        inside, writer = read_provenance(file), writer_of(file)
        marked = writer is not None and writer.is_marked(file)
    except (OSError, ValueError, SyntaxError, GandlfSynthError, ImageFileError) as error:
        raise _FaultError(_DAMAGED) from error
    if inside is None and sidecar is None and not (marked and writer is not None and writer.further_mark):
        raise _FaultError("carries no mark: GaNDLF-Synth did not write it, or the mark was removed")
    if inside is None and sidecar is not None:
        raise _FaultError("was changed: the record of its origin was removed from it")
    if not marked and writer is not None:
        raise _FaultError(f"was changed: {writer.further_mark} was removed from it")
    return inside


def _content(file: Path, inside: Mapping[str, Any], sidecar: _Sidecar | None) -> str:
    """Return how much of a file is as it was written."""
    pixels = {value for value in (inside.get(_PIXELS), _of_file(sidecar, _PIXELS, file)) if value}
    writer = writer_of(file)
    if not pixels and (sidecar or writer is None or writer.exact):
        raise _FaultError("was changed: the checksum of its pixels was removed")
    if not pixels:
        return "is marked as synthetic; without its sidecar its pixels cannot be compared with those that were made"
    try:
        same = pixels == {pixels_sha256(read_image(file).array)}
    except GandlfSynthError as error:
        raise _FaultError(_DAMAGED) from error
    if not same:
        raise _FaultError("was changed: its pixels are not those that were made")
    recorded = _of_file(sidecar, _BYTES, file)
    if recorded is None:
        return "has the pixels that were made; its sidecar is not there"
    if recorded == content_sha256(file):
        return "is as it was made"
    return "has the pixels that were made; the rest of the file was written anew"


def _of_file(sidecar: _Sidecar | None, name: str, file: Path) -> str | None:
    values = sidecar.record.get(name) if sidecar else None
    value = values.get(file.name) if isinstance(values, dict) else None
    return value if isinstance(value, str) else None


def _signature(records: Sequence[Mapping[str, Any]], public_key: PublicKey | None) -> tuple[str, str]:
    """Return what to say of the signatures on what is said of a file, and the fingerprint of their key."""
    signed = [record for record in records if SIGNATURE in record]
    if not signed:
        if public_key:
            raise _FaultError("is not signed")
        return "; it is not signed", ""
    if not all(map(is_signature_valid, signed)):
        raise _FaultError("is not as it was signed: what it or its sidecar says was changed")
    if len(signed) < len(records):
        raise _FaultError("is not as it was signed: the signature was removed from it or from its sidecar")
    keys = {key.fingerprint for key in map(signing_key, signed) if key}
    wanted = public_key.fingerprint if public_key else min(keys)
    if keys != {wanted}:
        raise _FaultError(f"is signed with another key: {', '.join(sorted(keys - {wanted}))}, not {wanted}")
    return f"; signed with the {'given ' if public_key else ''}key {wanted}", wanted


def _table_verdicts(folder: Path) -> Iterator[FileVerdict]:
    """Yield whether the files that the Croissant file of a folder names are those that it was written for."""
    croissant = InferenceFolder(folder).croissant
    if not folder.is_dir() or not croissant.is_file():
        return
    try:
        named = read_json(croissant).get("distribution", [])
    except DataError:
        yield FileVerdict(croissant, ok=False, sentence="cannot be read: it is damaged")
        return
    for entry in named if isinstance(named, list) else []:
        if isinstance(entry, dict) and _BYTES in entry:
            file = folder / str(entry.get("contentUrl", ""))
            same = file.is_file() and content_sha256(file) == entry[_BYTES]
            said = "names files that are as they were" if same else f"is of another {entry.get('contentUrl')}"
            yield FileVerdict(croissant, ok=same, sentence=said)
