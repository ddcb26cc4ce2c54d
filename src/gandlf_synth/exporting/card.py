"""The model card: what the model is, what it was made from, how good it is, what it is not for."""

import json
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from gandlf_synth import registry
from gandlf_synth.errors import DataError, Problem, counted
from gandlf_synth.files import read_json
from gandlf_synth.model_folder import ModelFolder
from gandlf_synth.models.base import GenerativeModule
from gandlf_synth.provenance import RunRecord


def model_card(module: GenerativeModule, model_dir: Path) -> str:
    """Return the card as Markdown, with what the run record and the last evaluation in ``model_dir`` say."""
    spec, name = module.spec, module.config.model_name
    family = registry.load("models", name)
    record = _record(ModelFolder(model_dir).record)
    size = "×".join(str(length) for length in spec.shape)
    classes = ", ".join(spec.class_names) or "none"
    channels = counted(spec.num_channels, "channel")
    lines = [
        f"# {name}: synthetic {'histology' if spec.modality == 'histo' else 'radiology'} images",
        "",
        f"{family.title}. {family.paper}.",
        "",
        "## Use",
        "",
        "For research on image analysis: augmentation, methods development, teaching. **Not a medical device**; its",
        "images show no patient, must not inform care, and must be called synthetic wherever they go.",
        "",
        "```sh",
        "gandlf-synth generate -m-dir . -ckpt-path weights.safetensors -n 16",
        "```",
        "",
        "## Data",
        "",
        f"- images: {size} voxels, {channels} ({', '.join(spec.column_names)}), {spec.dtype}",
        f"- spacing: {' × '.join(f'{length:g}' for length in spec.geometry.spacing)} mm"
        if spec.physical
        else "- spacing: not stated by the files",
        f"- classes: {classes}",
        f"- digest of the training data: {record.get('data_digest', 'not recorded')}",
        "",
        "## Training",
        "",
        f"- {record.get('epochs', '?')} epochs, {record.get('steps', '?')} steps, {record.get('seconds', '?')} s, "
        f"seed {record.get('seed', '?')}",
        *(f"- {key}: {value:.4g}" for key, value in sorted(record.get("metrics", {}).items())),
        *(f"- {note}" for note in record.get("notes", [])),
        "",
        "## Evaluation",
        "",
        *_evaluation(model_dir),
        "",
        "## Limits",
        "",
        "- What the training data lacks, the images lack: rare findings, other scanners, other populations.",
        "- A model can repeat images it was trained on, the more so the fewer they were; evaluate before sharing.",
    ]
    return "\n".join(lines) + "\n"


def _evaluation(model_dir: Path) -> list[str]:
    evaluations = sorted(model_dir.rglob("metrics.json"))
    if not evaluations:
        return ["Not evaluated: `gandlf-synth evaluate` measures fidelity, diversity, memorisation and usefulness."]
    return ["```json", json.dumps(_json(evaluations[-1]), indent=2)[:4000], "```"]


def _record(path: Path) -> dict[str, Any]:
    content = _json(path)
    try:
        return RunRecord.model_validate(content).model_dump() if content else {}
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        what = f"is no run record: {'.'.join(map(str, fault['loc']))}: {fault['msg']}"
        raise DataError(Problem(str(path), what, fix="restore it, or move it away")) from error


def _json(path: Path) -> dict[str, Any]:
    return read_json(path) if path.is_file() else {}
