"""This project's loaders, made the way that training makes them."""

from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from gandlf_synth.config import parse_document
from gandlf_synth.data.formats.scan import no_progress, scan_files
from gandlf_synth.data.inspection.fingerprint import Fingerprint, fingerprint
from gandlf_synth.data.loading.datamodule import Split, SynthesisDataModule
from gandlf_synth.data.table.manifest import Manifest
from gandlf_synth.training.defaults import detect_device, loader_workers
from gandlf_synth.training.planning import Plan, make_plan
from gandlf_synth.training.preparation import TrainingData, prepare_data
from gandlf_synth.training.request import TrainingRequest, read_configuration, read_splits


@dataclass(frozen=True)
class Planned:
    """A run before its data is prepared."""

    manifest: Manifest
    facts: Fingerprint
    plan: Plan

    def prepare(self, cache: Path) -> TrainingData:
        """Preprocess what ``cache`` does not hold."""
        return prepare_data({"train": self.manifest}, self.plan.config, self.facts, cache, no_progress)

    def datamodule(self, data: TrainingData) -> SynthesisDataModule:
        """Return the loaders that training would use."""
        config = self.plan.config
        return SynthesisDataModule(
            {"train": Split(self.manifest, data.samples["train"])}, data.value_range, data.spec.parts, [],
            {"train": config.dataloader_config.train}, int(config.batch_size), loader_workers(), config.seed,
        )  # fmt: skip


def planned(configuration: dict[str, Any], csv: Path, cache: Path) -> Planned:
    """Read, scan and plan as ``gandlf-synth train`` does."""
    text = StringIO()
    YAML().dump(configuration, text)
    request = TrainingRequest(parse_document(text.getvalue(), "benchmark"), csv, Path("model"))
    loaded = read_configuration(request)
    manifest = read_splits(request, loaded.config)["train"]
    files = [path for sample in manifest.samples for path in sample.files]
    facts = fingerprint([manifest], scan_files(files, cache))
    device = detect_device(loaded.config.compute)
    return Planned(manifest, facts, make_plan(loaded.config, loaded.document, facts, manifest, device))
