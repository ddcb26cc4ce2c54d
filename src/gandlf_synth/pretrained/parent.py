"""The trained model that a training starts from: found, read and brought into the layout of this program."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from torch import Tensor

from gandlf_synth import registry
from gandlf_synth.config import Document, InitFrom, LoadedConfig, PhasedSteps, load_config, validate
from gandlf_synth.data.loading.spec import DataSpec
from gandlf_synth.errors import CheckpointError, ConfigError, Problem, listing
from gandlf_synth.files import read_json
from gandlf_synth.model_folder import ModelFolder
from gandlf_synth.models.checkpoint import weights_digest
from gandlf_synth.pretrained.adapters.base import AdaptedWeights, WeightAdapter
from gandlf_synth.pretrained.bundle import is_bundle, networks_said, weight_files
from gandlf_synth.pretrained.stored_model import StoredModel, read_stored_model
from gandlf_synth.pretrained.terms import Terms, find_terms

_EXPORTED = ("model.safetensors", "weights.safetensors")
_ALLOWED = (
    "a model folder, an exported folder, a .safetensors or torch file of weights, or the folder of a MONAI bundle"
)


@dataclass(frozen=True)
class Parent:
    """A trained model, as the family that starts from it has it.

    Args:
        start: what the configuration says of it.
        adapter: the name of the adapter that took its weights over.
        weights: by the names of the family's module.
        section: keys of ``model_config`` that follow from it.
        assumed: those of them that nothing tells, so that they are the usual ones.
        spec: the facts of the data that it was trained on; None where it is not a model of this program.
        preprocessing: of that data; None where nothing says it.
        optimizers: that trained it, as in the YAML; None where nothing says it.
        terms: of its use.
        digest: of its weights, as the images that it makes have it on record.
        started_from: what is on record of the model that it started from itself; empty where it did not.
    """

    start: InitFrom
    adapter: str
    weights: Mapping[str, Tensor]
    section: Mapping[str, Any]
    assumed: Sequence[str]
    spec: DataSpec | None
    preprocessing: PhasedSteps | None
    optimizers: Any
    terms: Terms
    digest: str
    started_from: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """What it is called in records and messages: the last part of its path, which tells nothing of a machine."""
        path = Path(self.start.path)
        return path.name or path.resolve().name


def read_parent(start: InitFrom, family: str) -> Parent:
    """Return the model that ``start`` names as a model of ``family`` has it.

    Raises:
        CheckpointError: there is none, it cannot be read, its layout is unknown, or it is of another family.
    """
    path = Path(start.path)
    problems = []
    for place in _places(path):
        stored = read_stored_model(place)
        if is_bundle(path):
            stored = _with_definition(stored, path)
        try:
            adapter, adapted = _adapted(stored, start, family)
        except CheckpointError as error:
            problems.append(error)
            continue
        return _parent(start, path, stored, adapter, adapted)
    raise problems[0]


def _places(path: Path) -> list[Path]:
    """Return the files in which the weights may lie, the likeliest first."""
    if path.is_file():
        return [path]
    if not path.is_dir():
        what = "does not exist" if not path.exists() else "is neither a file nor a folder"
        raise CheckpointError(Problem(str(path), f"{what}; init_from starts from a trained model", _ALLOWED))
    if ModelFolder(path).checkpoints.is_dir():
        return [ModelFolder(path).choose_checkpoint(None)]
    for name in _EXPORTED:
        if (path / name).is_file():
            return [path / name]
    if is_bundle(path):
        files = weight_files(path)
        if files:
            return files
        what = "is a MONAI bundle without weights in its folder models"
        raise CheckpointError(Problem(str(path), what, fix="fetch them as its README says, then begin again"))
    loose = sorted(each.name for each in path.glob("*") if each.suffix in (".safetensors", ".pt", ".pth", ".ckpt"))
    fix = f"name one of its files: {listing(loose, 5)}" if loose else ""
    raise CheckpointError(Problem(str(path), "is no folder of a trained model", _ALLOWED, fix))


def _adapted(stored: StoredModel, start: InitFrom, family: str) -> tuple[str, AdaptedWeights]:
    names = [start.adapter] if start.adapter else registry.names("weight_adapters")
    adapters: dict[str, WeightAdapter] = {name: registry.load("weight_adapters", name)() for name in names}
    fitting = [name for name, adapter in adapters.items() if adapter.recognizes(stored)]
    if len(fitting) == 1:
        return fitting[0], adapters[fitting[0]].adapt(stored, family)
    shown = listing(stored.weights, 4)
    if start.adapter:
        what = f"is not in the layout that adapter {start.adapter!r} reads: its weights are called {shown}"
        raise CheckpointError(Problem(str(stored.place), what, fix="leave adapter out, so that it is recognized"))
    what = f"has weights in a layout that no adapter knows: {shown}"
    known = listing(registry.names("weight_adapters"))
    raise CheckpointError(
        Problem(
            str(stored.place), what, known, "docs/how-to/start-from-a-model.md says how to write an adapter of your own"
        )
    )


def _parent(start: InitFrom, path: Path, stored: StoredModel, adapter: str, adapted: AdaptedWeights) -> Parent:
    terms = find_terms(stored.place, stored.parent, start.license, start.origin)
    preprocessing, optimizers = _trained_with(path)
    return Parent(
        start, adapter, adapted.weights, adapted.section, adapted.assumed, _spec(stored), preprocessing, optimizers,
        terms, weights_digest(stored.weights), stored.parent,
    )  # fmt: skip


def _spec(stored: StoredModel) -> DataSpec | None:
    if not stored.spec:
        return None
    try:
        return DataSpec.model_validate(stored.spec)
    except ValidationError as error:
        what = "describes its training data in a way that cannot be read"
        raise CheckpointError(Problem(str(stored.place), what, fix="export the model again")) from error


def _trained_with(path: Path) -> tuple[PhasedSteps | None, Any]:
    """Return the preprocessing of a model folder's data, and what trained it, where the folder says so."""
    folder = ModelFolder(path if path.is_dir() else path.parent.parent)
    try:
        loaded = _configuration(folder)
    except ConfigError:  # of another version: its weights may still fit
        return None, None
    if loaded is None:
        return None, None
    config = loaded.config
    return config.data_preprocessing, config.model.model_dump(mode="json", exclude_none=True).get("optimizers")


def _configuration(folder: ModelFolder) -> LoadedConfig | None:
    """Return the configuration in a model folder or an exported one, or None where there is none."""
    if folder.resolved_config.is_file():
        return load_config(folder.resolved_config)
    content = read_json(folder.exported_config).get("configuration") if folder.exported_config.is_file() else None
    return validate(Document(str(folder.exported_config), content)) if content else None


def _with_definition(stored: StoredModel, folder: Path) -> StoredModel:
    """Return ``stored`` with what its bundle says of the network to which such weights belong, and of the noise."""
    said = list(networks_said(folder))
    kind = "Autoencoder" if any(name.startswith("encoder.") for name in stored.weights) else "DiffusionModelUNet"
    networks = [parameters for name, parameters in said if name.startswith(kind)]
    schedulers = [parameters for name, parameters in said if name.endswith("Scheduler")]
    return replace(stored, network=networks[0] if networks else {}, scheduler=schedulers[0] if schedulers else {})
