"""The model card: what the model is, what it was made from, how good it is, what it is not for.

Its front matter is what the Hugging Face Hub reads (https://huggingface.co/docs/hub/model-cards).
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from io import StringIO
from typing import Any

from ruamel.yaml import YAML

from gandlf_synth import registry
from gandlf_synth.data.loading.spec import DataSpec
from gandlf_synth.errors import counted
from gandlf_synth.exporting.figures import Figures
from gandlf_synth.models.base import GenerativeModule
from gandlf_synth.provenance import NOT_STATED, software_versions

_NEW_IMAGES = """\
For research on image analysis: augmentation, methods development, teaching. **Not a medical device**; its
images show no patient, must not inform care, and must be called synthetic wherever they go."""
_FROM_ROWS = """\
For research on image analysis: augmentation, methods development, teaching. **Not a medical device**; its images
may show the anatomy of the people in the images that they are made from. They must not inform care, and must be called
synthetic wherever they go."""
_BESIDE_BUDGET = ("", "These figures were computed from real images, and epsilon does not cover them.")
_LIMITS = (
    "- What the training data lacks, the images lack: rare findings, other scanners, other populations.",
    "- A model can repeat images it was trained on, the more so the fewer they were; evaluate before sharing.",
)
_LICENSE_ID = re.compile(r"[a-z0-9][a-z0-9.\-]*")
_PARENT_FACTS = {
    "origin": "origin", "license": "license", "adapter": "read as", "weights_sha256": "digest of its weights",
    "loaded": "weights loaded", "new": "weights that are new", "left_over": "weights left over",
}  # fmt: skip
_OF_EARLIER = {"origin": "origin", "license": "license", "weights_sha256": "digest of its weights"}


def model_card(module: GenerativeModule, record: Mapping[str, Any], figures: Figures, license_given: str) -> str:
    """Return the card as Markdown.

    Args:
        module: the trained model.
        record: its run record; empty without one.
        figures: of its evaluation.
        license_given: under which it is handed on; empty: that of the model it started from, if it has one.
    """
    spec, name = module.spec, module.config.model_name
    family = registry.load("models", name)
    privacy: Mapping[str, Any] = record.get("privacy") or {}
    sections: dict[str, Iterable[str]] = {
        "Use": _use(spec),
        "License and origin": _origin(record, license_given),
        "Data": _data(spec, record),
        "Training": _training(record),
        "Privacy": _privacy(privacy),
        "Evaluation": [*figures.lines, *(_BESIDE_BUDGET if privacy else ())],
        "Limits": _LIMITS,
    }
    lines = ["---", _front_matter(module, record, figures, license_given), "---", ""]
    lines += [f"# {name}: synthetic {'histology' if spec.modality == 'histo' else 'radiology'} images", ""]
    lines += [f"{family.title}. {family.paper}."]
    for title, section in sections.items():
        if content := list(section):
            lines += ["", f"## {title}", "", *content]
    return "\n".join(lines) + "\n"


def _is_made_from_images(spec: DataSpec) -> bool:
    """Say whether the images show the anatomy of other images that they are made from."""
    return any(part.kind == "channels" for part in spec.parts)


def _use(spec: DataSpec) -> Iterator[str]:
    """Yield what the model is for, and the command that makes images."""
    from_rows = _is_made_from_images(spec)
    yield from (_FROM_ROWS if from_rows else _NEW_IMAGES, "")
    yield f"With GaNDLF-Synth {software_versions()['gandlf-synth']} or newer, installed from its source or a wheel:"
    yield from ("", "```sh", f"gandlf-synth generate -m-dir . {'-dt rows.csv' if from_rows else '-n 16'}", "```", "")
    yield "The folder holds weights and plain values; there is no code in it."


def _data(spec: DataSpec, record: Mapping[str, Any]) -> Iterator[str]:
    """Yield what the images are that the model was made from."""
    size, channels = "×".join(str(length) for length in spec.shape), counted(spec.num_channels, "channel")
    spacing = " × ".join(f"{length:g}" for length in spec.geometry.spacing)
    yield f"- images: {size} voxels, {channels} ({', '.join(spec.column_names)}), {spec.dtype}"
    yield f"- spacing: {spacing} mm" if spec.physical else "- spacing: not stated by the files"
    yield f"- classes: {', '.join(spec.class_names) or 'none'}"
    yield f"- conditions: {', '.join(part.name for part in spec.parts) or 'none'}"
    yield f"- digest of the training data: {record.get('data_digest', 'not recorded')}"


def _training(record: Mapping[str, Any]) -> Iterator[str]:
    """Yield how long it was trained, how that ended, and the notes of the run."""
    epochs, steps, seconds, seed = (record.get(key, "?") for key in ("epochs", "steps", "seconds", "seed"))
    yield f"- {epochs} epochs, {steps} steps, {seconds} s, seed {seed}"
    yield from (f"- {key}: {value:.4g}" for key, value in sorted(record.get("metrics", {}).items()))
    yield from (f"- {note}" for note in record.get("notes", []))


def _front_matter(module: GenerativeModule, record: Mapping[str, Any], figures: Figures, license_given: str) -> str:
    """Return what catalogues of models read, as YAML."""
    spec, name = module.spec, module.config.model_name
    task = "image-to-image" if _is_made_from_images(spec) else "unconditional-image-generation"
    tags = ["synthetic", "medical", "medical-imaging", "histopathology" if spec.modality == "histo" else "radiology"]
    content: dict[str, Any] = {
        **_license(license_given or _license_of_parent(record)),
        "library_name": "gandlf-synth",
        "pipeline_tag": task,
        "tags": [*tags, f"{spec.spatial_dims}d", name],
    }
    if figures.results:
        metrics = [{"type": metric, "name": title, "value": value} for metric, title, value in figures.results]
        result = {"task": {"type": task}, "dataset": {"type": "private", "name": figures.data}, "metrics": metrics}
        content["model-index"] = [{"name": name, "results": [result]}]
    text = StringIO()
    yaml = YAML(typ="safe")
    yaml.default_flow_style = False
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    yaml.dump(content, text)
    return text.getvalue().rstrip()


def _license(name: str) -> dict[str, str]:
    if not name:
        return {"license": "unknown"}
    if _LICENSE_ID.fullmatch(name.lower()):
        return {"license": name.lower()}
    return {"license": "other", "license_name": name}


def _license_of_parent(record: Mapping[str, Any]) -> str:
    name = str((record.get("init_from") or {}).get("license") or "")
    return "" if name == NOT_STATED else name


def _privacy(spent: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is promised to the subjects of the training data, where anything is."""
    if not spent:
        return
    yield (
        f"- trained with differential privacy: epsilon {spent['epsilon']}, delta {spent['delta']}, for "
        f"{spent['neighbors']}"
    )
    yield (
        f"- {spent['steps']} steps, each of {spent['subjects']} subjects in one with probability "
        f"{spent['sampling_rate']:.4g}; noise multiplier {spent['noise_multiplier']}, largest norm of the gradient of "
        f"a subject {spent['max_grad_norm']}; counted by {spent['accountant']}"
    )
    yield "- this covers the weights and what is made with them alone, not the images of the model that it started from"


def _origin(record: Mapping[str, Any], license_given: str) -> Iterator[str]:
    """Yield under which license the model is, and which model it started from."""
    parent: Mapping[str, Any] = record.get("init_from") or {}
    of_parent = _license_of_parent(record)
    if license_given:
        yield f"- license: {license_given}"
    elif of_parent:
        yield f"- license: {of_parent}, that of the model it started from"
    else:
        yield (
            "- license: not stated. Without one, others may not use the model. Whoever made it states one: "
            "`gandlf-synth export --license cc-by-4.0`, or `license:` at the top of this file"
        )
    if not parent:
        yield "- it was trained from random weights"
        return
    yield f"- it started from another model: {parent.get('source', 'unnamed')}"
    yield from (f"    - {text}: {parent[name]}" for name, text in _PARENT_FACTS.items() if parent.get(name))
    yield from _earlier(parent)
    if parent.get("non_commercial"):
        yield "- **that model may not be used commercially, and so may not this one**"
    if of_parent and license_given and of_parent.lower() != license_given.lower():
        yield f"- **the license of that model, {of_parent}, holds for what it allows of this one too**"


def _earlier(parent: Mapping[str, Any]) -> Iterator[str]:
    """Yield what the model that this one started from started from itself, and so on."""
    while earlier := parent.get("init_from"):
        known = [f"{text}: {earlier[key]}" for key, text in _OF_EARLIER.items() if earlier.get(key)]
        yield f"- which started from {earlier.get('source', 'unnamed')} ({', '.join(known)})"
        parent = earlier
