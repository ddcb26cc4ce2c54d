"""One DICOM file: how it is opened, and what its header says. Names of patients never leave this module.

pydicom interprets and decodes. Its messages and warnings may quote what a header holds, so they are not passed on.
"""

import hashlib
import logging
import mmap
import warnings
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gandlf_synth.data.formats.readers.base import DAMAGE, UnreadableError

if TYPE_CHECKING:
    from pydicom import Dataset

_HEADER_TAGS = [
    *(
        "SOPClassUID",
        "StudyInstanceUID",
        "SeriesInstanceUID",
        "SeriesNumber",
        "Modality",
        "Rows",
        "Columns",
        "NumberOfFrames",
    ),
    *("SamplesPerPixel", "BitsAllocated", "BitsStored", "PixelRepresentation", "PhotometricInterpretation"),
    *("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "InstanceNumber", "RescaleType"),
]
"""All that is read of a header when voxels are not wanted; nobody's name is among them."""
PRIVATE_CREATOR, PRIVATE_GROUP = "GANDLF-SYNTH", 0x0099
"""Of the private elements of what this program writes."""
PROVENANCE, LEFT_HANDED = 0x01, 0x02
"""Their places: the provenance as JSON, and whether slices are numbered against the normal of their planes."""
PROVENANCE_TAGS = ("SyntheticData", (PRIVATE_GROUP << 16) + 0x10, (PRIVATE_GROUP << 16) + 0x1000 + PROVENANCE)
"""What is read of a header to know where an image comes from."""
_MODALITY_OF_KIND = {
    "Computed Radiography": "CR",
    "CT": "CT",
    "Digital Mammography": "MG",
    "Digital X-Ray": "DX",
    "Enhanced CT": "CT",
    "Enhanced MR": "MR",
    "Enhanced PET": "PT",
    "Legacy Converted Enhanced CT": "CT",
    "Legacy Converted Enhanced MR": "MR",
    "Legacy Converted Enhanced PET": "PT",
    "MR": "MR",
    "Nuclear Medicine": "NM",
    "Positron Emission Tomography": "PT",
    "RT Dose": "RTDOSE",
    "X-Ray Angiographic": "XA",
    "X-Ray Radiofluoroscopic": "RF",
}
"""What the kinds of files of PS3.4, B.5 hold, by how their names begin."""
_DEFLATED = "1.2.840.10008.1.2.1.99"
_MOST_DEFLATED = 2**30

# Both quote values of the header.
logging.getLogger("pydicom").setLevel(logging.CRITICAL + 1)
warnings.filterwarnings("ignore", module=r"pydicom(\.|$)")


@contextmanager
def discreet() -> Iterator[None]:
    """Turn what pydicom raises into an error that quotes no header."""
    from pydicom.errors import BytesLengthException, InvalidDicomError

    try:
        yield
    except InvalidDicomError:
        raise UnreadableError("is not a DICOM file, or damaged at its start") from None
    except (*DAMAGE, BytesLengthException) as error:
        raise _damaged(error) from None
    except BaseException as error:
        # A decoder written in Rust panics with an exception that is no Exception and has no importable name.
        if type(error).__module__ == "pyo3_runtime":
            raise _damaged(error) from None
        raise


def _damaged(error: BaseException) -> UnreadableError:
    return UnreadableError(f"is truncated or damaged ({type(error).__name__} while reading it)")


def open_dicom(path: Path, header_only: bool = False, tags: Sequence[str | int] = _HEADER_TAGS) -> "Dataset":
    """Return the ``pydicom.Dataset`` in a file.

    Args:
        path: the file.
        header_only: leave out voxels, and every element but ``tags``.
        tags: by default those that say what the image is.

    Raises:
        UnreadableError: it is no DICOM file, or damaged.
    """
    from pydicom import config, dcmread

    # Warnings of validation quote the values that are not valid.
    config.settings.reading_validation_mode = config.IGNORE
    with discreet():
        _check_inflated(path)
        # Of a map, an element that declares gigabytes reads what is there; of a file, it would take the memory first.
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            return dcmread(content, stop_before_pixels=header_only, specific_tags=list(tags) if header_only else None)


def _check_inflated(path: Path) -> None:
    """Refuse a deflated file that unpacks to more than memory should take; pydicom unpacks it at once."""
    from pydicom.filereader import read_file_meta_info

    with path.open("rb") as file:
        start = file.read(4096)
    if _DEFLATED.encode() not in start:
        return
    meta = read_file_meta_info(path)
    content = path.read_bytes()[144 + int(meta.FileMetaInformationGroupLength) :]
    engine, size = zlib.decompressobj(-zlib.MAX_WBITS), 0
    while content and not engine.eof:
        size += len(engine.decompress(content, 2**20))
        content = engine.unconsumed_tail
        if size > _MOST_DEFLATED:
            raise UnreadableError(f"unpacks to more than {_MOST_DEFLATED:,} bytes", fix="save it without deflation")


def value_of(dataset: "Dataset", name: str) -> Any:
    """Return the value of an element; None where it is absent, or there and empty, which means the same."""
    value = dataset.get(name)
    if isinstance(value, str):
        return value if value.strip() else None
    if isinstance(value, Sequence) and not any(str(one).strip() for one in value):
        return None
    return value


@discreet()
def frames_of(dataset: "Dataset") -> int:
    """Return the number of frames that a header states, 1 where it states none."""
    return int(value_of(dataset, "NumberOfFrames") or 1)


@discreet()
def modality_of(dataset: "Dataset") -> str:
    """Return ``CT``, ``MR`` and so on: what the header says, else what its kind of file holds, else nothing."""
    value = str(value_of(dataset, "Modality") or "")
    if value:
        return value if value.isalpha() and value.isupper() and len(value) <= 8 else ""
    kind = kind_of(dataset)
    return next((modality for start, modality in _MODALITY_OF_KIND.items() if kind.startswith(f"{start} ")), "")


@discreet()
def quantity_of(dataset: "Dataset") -> str:
    """Return the modality, but nothing where a CT scanner measured something else than HU (PS3.3 C.11.1.1.2)."""
    modality = modality_of(dataset)
    in_hounsfield = (value_of(dataset, "RescaleType") or "HU") == "HU"
    return modality if modality != "CT" or in_hounsfield else ""


@discreet()
def frame_of(dataset: "Dataset") -> str:
    """Return a digest of the frame of reference, which tells whether two images share it and nothing else."""
    uid = str(value_of(dataset, "FrameOfReferenceUID") or "")
    return hashlib.blake2b(uid.encode(), digest_size=8).hexdigest() if uid else ""


@discreet()
def kind_of(dataset: "Dataset") -> str:
    """Return what a file is, such as ``MR Image Storage``."""
    from pydicom.uid import UID

    return UID(str(value_of(dataset, "SOPClassUID") or "")).name or "of no stated kind"


@discreet()
def provenance_in(dataset: "Dataset") -> str | None:
    """Return the text by which this program says how it made the image; None where others made it."""
    return _private(dataset, PROVENANCE)


@discreet()
def is_left_handed(dataset: "Dataset") -> bool:
    """Say whether this program wrote the image from a grid whose slices run against the normal of their planes."""
    return _private(dataset, LEFT_HANDED) == "YES"


def _private(dataset: "Dataset", offset: int) -> str | None:
    try:
        block = dataset.private_block(PRIVATE_GROUP, PRIVATE_CREATOR)
    except KeyError:
        return None
    return str(block[offset].value) if offset in block else None


def frame_groups(dataset: "Dataset") -> "list[Dataset]":
    """Return the functional groups of each frame of an enhanced file, those shared by all filled in."""
    from pydicom import Dataset

    groups = list(value_of(dataset, "PerFrameFunctionalGroupsSequence") or [])
    shared = value_of(dataset, "SharedFunctionalGroupsSequence")
    if not shared:
        return groups
    groups = groups or [Dataset() for _ in range(frames_of(dataset))]
    merged = [Dataset() for _ in groups]
    for both, group in zip(merged, groups, strict=True):
        both.update(shared[0])
        both.update(group)
    return merged
