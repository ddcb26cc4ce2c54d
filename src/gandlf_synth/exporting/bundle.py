"""A MONAI bundle: ``monai.bundle.run(config_file="configs/inference.json")`` in its folder makes images."""

from pathlib import Path

from gandlf_synth.files import write_json
from gandlf_synth.models.base import GenerativeModule
from gandlf_synth.provenance import software_versions


def write_bundle(module: GenerativeModule, folder: Path) -> list[Path]:
    """Write ``configs/metadata.json`` and ``configs/inference.json`` beside the weights, and return them."""
    versions = software_versions()
    spec = module.spec
    image = {
        "type": "image",
        "format": "magnitude",
        "num_channels": spec.num_channels,
        "spatial_shape": list(spec.shape),
        "dtype": "float32",
        "value_range": [-1, 1],
        "is_patch_data": False,
        "channel_def": dict(enumerate(spec.column_names)),
    }
    metadata = {
        "version": "0.1.0",
        "monai_version": versions["monai"],
        "pytorch_version": versions["torch"],
        "numpy_version": versions["numpy"],
        "required_packages_version": {"gandlf-synth": versions["gandlf-synth"]},
        "task": f"Synthesis of medical images with {module.config.model_name}",
        "description": "Made by GaNDLF-Synth; see README.md. Not a medical device.",
        "authors": "see README.md",
        "copyright": "see README.md",
        "network_data_format": {"inputs": {}, "outputs": {"image": image}},
    }
    inference = {
        "imports": ["$import gandlf_synth", "$from pathlib import Path"],
        "bundle_root": ".",
        "output_dir": "$@bundle_root + '/eval'",
        "num_images": 4,
        "seed": 42,
        "request": (
            "$gandlf_synth.GenerationRequest(Path(@bundle_root), output_dir=Path(@output_dir), "
            "counts=@num_images, seed=@seed)"
        ),
        "run": ["$gandlf_synth.generate(@request)"],
    }
    paths = {folder / "configs" / "metadata.json": metadata, folder / "configs" / "inference.json": inference}
    for path, content in paths.items():
        write_json(path, content)
    return list(paths)
