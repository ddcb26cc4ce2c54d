"""Where a file that this program wrote comes from."""

from pathlib import Path
from typing import Any

from gandlf_synth.data.formats.writers import read_provenance
from gandlf_synth.errors import DataError, Problem
from gandlf_synth.files import read_json
from gandlf_synth.models.checkpoint import checkpoint_description, read_checkpoint, weights_digest


def origin_of(file: Path) -> dict[str, Any]:
    """Return the provenance inside an image (a file, or a folder of DICOM), a sidecar JSON or a checkpoint.

    Raises:
        DataError: it does not exist, or holds no provenance of this program.
        CheckpointError: a checkpoint that cannot be read.
    """
    if not file.exists():
        raise DataError(Problem(str(file), "does not exist"))
    if file.suffix in (".ckpt", ".safetensors"):
        content = read_checkpoint(file)
        model, spec = checkpoint_description(content)
        weights = weights_digest(content["state_dict"])
        return {"weights_sha256": weights, "model_config": model, "data": spec.model_dump(mode="json")}
    if file.suffix == ".json":
        return read_json(file)
    provenance = read_provenance(file)
    if provenance is None:
        raise DataError(Problem(str(file), "says nothing of its origin: GaNDLF-Synth did not write it"))
    return provenance
