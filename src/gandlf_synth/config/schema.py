"""The top level of the YAML."""

from typing import Annotated, Generic, Literal, Self

from pydantic import (
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    PositiveInt,
    SerializeAsAny,
    model_validator,
)
from typing_extensions import TypeVar

from gandlf_synth.config import legacy
from gandlf_synth.config.component import Steps, steps_as_written
from gandlf_synth.config.loggers import LoggingConfig
from gandlf_synth.config.model import Auto, ModelConfig
from gandlf_synth.config.phases import LoaderConfig, PhasedSteps
from gandlf_synth.config.privacy import Privacy
from gandlf_synth.config.sampling import InferenceParameters, SampleMetricsConfig
from gandlf_synth.config.section import Section, Size, as_text

Precision = Literal[
    "16-true",
    "16-mixed",
    "bf16-true",
    "bf16-mixed",
    "32-true",
    "64-true",
    "64",
    "32",
    "16",
    "bf16",
    "transformer-engine",
]
MetricNames = Annotated[Steps, PlainSerializer(steps_as_written)]
M = TypeVar("M", bound=ModelConfig, default=ModelConfig)


def _none_is_empty(value: object) -> object:
    return {} if value is None else value


def _named(value: object) -> object:
    return {"name": value} if isinstance(value, str) else value


def _every(value: object) -> object:
    return {"every_n_epochs": value} if isinstance(value, int) and not isinstance(value, bool) else value


class EarlyStoppingConfig(Section):
    """When to stop before the last epoch."""

    monitor_value: str = "val_loss"
    """The logged value to watch."""
    monitor_mode: Literal["min", "max"] = "min"
    """Whether smaller or larger is better."""
    patience: int = Field(10, ge=1)
    """Epochs without improvement to allow."""


class ComputeConfig(Section):
    """Devices, processes and numbers."""

    accelerator: Literal["auto", "cpu", "gpu", "cuda", "mps"] = "auto"
    """Kind of device."""
    num_devices: PositiveInt | Auto = "auto"
    """Devices on each node; ``auto``: all GPUs, or one CPU process."""
    num_nodes: int = Field(1, ge=1)
    """Machines."""
    strategy: Literal["auto", "ddp", "fsdp", "deepspeed"] = "auto"
    """How several processes share the work: ``ddp`` shares the data, ``fsdp`` and ``deepspeed`` the model too;
    ``deepspeed`` needs CUDA."""
    strategy_config: dict[str, object] = {}
    """Settings of the strategy; for fsdp ``data_parallel_size``, processes that see other images and share the weights,
    and ``tensor_parallel_size``, processes that split layers among them; for deepspeed ``stage: 2`` or ``config:
    path/to/ds.json``."""
    deterministic: bool = False
    """Use only algorithms that give equal bits on a GPU in every run; slower. On a CPU they always do."""
    compile: bool = False
    """Compile the networks with torch.compile; minutes at the start, worth it for long runs on a GPU. Networks with a
    gradient penalty cannot be compiled."""
    cuda_graphs: bool = True
    """On one GPU, give it all operations of a network in one call, where the family's networks allow it: small networks
    train several times faster. Not with ``compile``, nor where gradients of several batches are added up."""
    precision: Annotated[Precision | Auto, BeforeValidator(as_text)] = "auto"
    """Number format, by Lightning's names; ``auto``: bf16-mixed where the device computes it natively, else 32."""


class DataStore(Section):
    """A store of prepared images, made with ``prepare``: where it is, and how it is read."""

    location: str | None = None
    """Folder or URL of the store, such as ``s3://bucket/store``; absent: what ``-dt`` names."""
    local: str | None = None
    """Folder on this machine to which whole shards are copied ahead of their use, within ``cache_size``; absent: a
    store in a folder is read in its place, one behind a URL goes to the cache."""
    dtype: Literal["float16", "int16", "float32"] = "float16"
    """In which numbers ``prepare`` keeps voxels: ``float16`` keeps 11 binary digits of each, ``int16`` divides the
    range of each image into 65,534 steps, ``float32`` loses nothing and takes twice the space."""
    shuffle_window: Auto | PositiveInt = "auto"
    """Shards that are shuffled together; ``auto``: all of a store that is read in its place, else 16, or as many as
    leave room in ``cache_size`` for the next ones."""


class PatchSampler(Section):
    """How patches of large volumes are drawn for training."""

    name: Literal["uniform", "weighted"] = "uniform"
    """``uniform``: from anywhere; ``weighted``: around the voxels that the CSV's Mask column marks."""
    patches_per_volume: int = Field(4, ge=1)
    """Patches of each volume in an epoch."""


class Config(Section, Generic[M]):
    """A whole configuration; ``M`` is the model family's own class."""

    model_config = ConfigDict(
        extra="forbid", use_attribute_docstrings=True, populate_by_name=True, protected_namespaces=()
    )

    model: Annotated[SerializeAsAny[M], Field(alias="model_config")]
    """The model: its family, its networks, how it is optimised."""
    modality: Literal["rad", "histo"] | Auto = "auto"
    """Radiology or histopathology; ``auto``: histopathology for colour pictures, radiology for the rest."""
    seed: int = Field(42, ge=0)
    """Decides every random number: splits, order of the data, weights, noise."""
    num_epochs: int = Field(100, ge=1)
    """Passes over the training data."""
    batch_size: PositiveInt | Auto = "auto"
    """Samples in a training step."""
    data_preprocessing: Annotated[PhasedSteps, BeforeValidator(_none_is_empty)] = PhasedSteps()
    """Transforms that are computed once, in the order written; absent: chosen for the modality."""
    data_augmentation: Annotated[PhasedSteps, BeforeValidator(_none_is_empty)] = PhasedSteps()
    """Random transforms of the training data, fresh in every epoch; also accepted as ``data_augmentations``."""
    data_postprocessing: Annotated[PhasedSteps, BeforeValidator(_none_is_empty)] = PhasedSteps()
    """Transforms of synthetic images before they are written."""
    patch_sampler: Annotated[PatchSampler | None, BeforeValidator(_named)] = None
    """Train on random patches of ``tensor_shape``, the volumes keeping their size; absent: on whole images."""
    dataloader_config: LoaderConfig = LoaderConfig()
    """How batches are read, per phase."""
    inference_parameters: Annotated[InferenceParameters, BeforeValidator(_none_is_empty)] = InferenceParameters()
    """How synthetic images are made."""
    save_model_every_n_epochs: int = Field(-1, ge=-1)
    """Epochs between kept checkpoints; the last and the best are always kept."""
    early_stopping_config: EarlyStoppingConfig | None = None
    """When to stop before the last epoch."""
    sample_metrics_config: Annotated[SampleMetricsConfig | None, BeforeValidator(_every)] = None
    """How samples are compared with validation images during training; absent: not at all."""
    privacy: Privacy | None = None
    """The limit to what the model may tell of one subject (differential privacy); absent: none."""
    logging_config: LoggingConfig | None = None
    """Experiment trackers that the run is written to; absent: only CSV and TensorBoard files in the model folder."""
    metrics: MetricNames = []
    """Metrics of reconstructions, logged for validation and test images after every epoch (``val_<name>``)."""
    compute: Annotated[ComputeConfig, BeforeValidator(_none_is_empty)] = ComputeConfig()
    """Devices, processes and numbers."""
    data_store: Annotated[DataStore, BeforeValidator(_none_is_empty)] = DataStore()
    """The store of prepared images that training reads and ``prepare`` writes."""
    cache_dir: str | None = None
    """Folder of the prepared data; absent: GANDLF_SYNTH_CACHE, or the user's cache folder."""
    cache_size: Size | None = None
    """Size that the cache is kept within, such as ``20GB``: what was used longest ago goes first, and nothing that a
    run is using; absent: no limit."""
    patience: legacy.Patience = 0
    in_memory: legacy.InMemory = False
    verbose: legacy.Verbose = False
    version: legacy.Version = None

    @model_validator(mode="after")
    def _patches_have_a_size(self) -> Self:
        if self.patch_sampler is None:
            return self
        if not self.model.patches:
            raise ValueError(f"patch_sampler: {self.model.model_name} cannot be trained on patches")
        if self.model.tensor_shape == "auto":
            raise ValueError("patch_sampler needs model_config.tensor_shape, the size of a patch")
        return self
