"""What identifies a synthetic image in DICOM: unique identifiers that follow from what it was made of."""

from collections.abc import Mapping
from uuid import NAMESPACE_URL, uuid5

from gandlf_synth.data.formats.writers.base import as_text

_NAMESPACE = uuid5(NAMESPACE_URL, "gandlf-synth")
_OF_A_PART = frozenset({"part", "values", "modality"})
_OF_A_ROW = frozenset({"weights_sha256", "csv", "row", "subject", "made_from", "user_seed"})


def uid_of(*parts: str) -> str:
    """Return the unique identifier that follows from ``parts`` (PS3.5, B.2: a UUID under 2.25).

    Example:
        >>> uid_of("model", "7") == uid_of("model", "7")
        True
        >>> uid_of("model", "7") == uid_of("model", "8")
        False
    """
    return f"2.25.{uuid5(_NAMESPACE, '|'.join(parts)).int}"


def study_key(provenance: Mapping[str, object]) -> str:
    """Return what the images of one study share: the parts of one image, and all images of one row of a CSV."""
    if "row" in provenance:
        return as_text({key: provenance[key] for key in _OF_A_ROW & provenance.keys()})
    return as_text({key: value for key, value in provenance.items() if key not in _OF_A_PART})
