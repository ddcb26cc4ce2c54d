"""The first thing that a run does which starts from a trained model: load its weights, and see that they work."""

from dataclasses import dataclass, replace

import numpy as np

from gandlf_synth.config import Config
from gandlf_synth.config.component import steps_as_written
from gandlf_synth.data.loading.dataset import Batch
from gandlf_synth.data.loading.value_range import ValueRange
from gandlf_synth.display.console import Reporter
from gandlf_synth.models.base import GenerativeModule
from gandlf_synth.pretrained.contract import NUM_CHECKED, check_contract
from gandlf_synth.pretrained.parent import Parent
from gandlf_synth.pretrained.start import Start, start_from
from gandlf_synth.training.data import TrainingData
from gandlf_synth.training.plan import PlannedRun

_FIRST_STAGE = "first_stage."


@dataclass(frozen=True)
class TrainedStart:
    """A model and, where it starts from a trained one, what came from there.

    Args:
        planned: the run.
        module: the model.
        data: the images.
        start: what came from the parent; None: the model begins at random.
    """

    planned: PlannedRun
    module: GenerativeModule
    data: TrainingData
    start: Start | None = None

    @property
    def gave_first_stage(self) -> bool:
        """Whether the parent brought the autoencoder of a model of latents, which is not trained then."""
        return self.start is not None and self.start.gave(_FIRST_STAGE)

    def check(self, reporter: Reporter) -> None:
        """Say what the model makes of training images; see ``check_contract``.

        Raises:
            CheckpointError: it does not do what its parent did.
        """
        if self.planned.parent is not None:
            reporter.say(f"  {check_contract(self.planned.parent, self.module, self._batch())}")

    def _batch(self) -> Batch:
        config = self.planned.plan.config
        dataset = self.data.first(NUM_CHECKED).loaders(config, 0).dataset("train", augmented=False)
        batch: Batch = dataset.__getitems__(list(range(min(NUM_CHECKED, len(dataset)))))
        return batch


def begin_trained(
    module: GenerativeModule, planned: PlannedRun, data: TrainingData, reporter: Reporter, *, has_prerequisite: bool
) -> tuple[PlannedRun, TrainedStart]:
    """Give ``module`` the weights that the run starts from, if there are any; nothing is written.

    Args:
        module: the model, with random weights.
        planned: the run.
        data: the images.
        reporter: says what came from where.
        has_prerequisite: whether another model may be trained first, on whose latents this one works; what it does
            can only be checked later then.

    Returns:
        The run, in whose configuration stands what learns as a whole beside ``lora``, and what came from the parent.

    Raises:
        CheckpointError: the weights do not fit, or do not do what they did.
        ConfigError: ``freeze`` would keep random weights.
    """
    if planned.parent is None:
        return planned, TrainedStart(planned, module, data)
    start = start_from(planned.parent, module, (_FIRST_STAGE, "scale.") if has_prerequisite else ())
    for line in start.lines:
        reporter.say(line, "yellow" if line.startswith("Warning") else "")
    config = planned.plan.config.model_copy(update={"model": module.config})
    planned = replace(planned, plan=replace(planned.plan, config=config))
    begun = TrainedStart(planned, module, data, start)
    if not has_prerequisite or begun.gave_first_stage:
        begun.check(reporter)
    return planned, begun


def with_values_of(parent: Parent, data: TrainingData, config: Config) -> TrainingData:
    """Return the data on the range of values that a parent was trained on, where it is prepared in the same way.

    Args:
        parent: the trained model.
        data: the images.
        config: the resolved configuration.
    """
    spec = data.spec
    if parent.spec is None or parent.preprocessing is None or parent.spec.num_channels != spec.num_channels:
        return data
    both = (parent.preprocessing, config.data_preprocessing)
    theirs, own = (steps_as_written(phases.of("train") or []) for phases in both)
    if theirs != own:
        return data
    sources = parent.spec if parent.spec.source_channels == spec.source_channels else spec
    scale = np.array([*parent.spec.range_scale, *sources.source_scale])
    offset = np.array([*parent.spec.range_offset, *sources.source_offset])
    value_range, count = ValueRange(scale, offset), spec.num_channels
    samples = data.samples["train"]
    ends = {
        "low": value_range.file_values(samples, -1.0)[:count],
        "high": value_range.file_values(samples, 1.0)[:count],
        "range_scale": parent.spec.range_scale,
        "range_offset": parent.spec.range_offset,
        "source_scale": sources.source_scale,
        "source_offset": sources.source_offset,
    }
    return replace(data, spec=spec.model_copy(update=ends), value_range=value_range)
