"""The contract of weight adapters."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from gandlf_synth.errors import CheckpointError, Problem
from gandlf_synth.models.base import GenerativeModule
from gandlf_synth.pretrained.stored_model import StoredModel

DENOISING = ("ddpm", "flow_matching", "latent_diffusion")
"""The families that train a denoiser."""


@dataclass(frozen=True)
class AdaptedWeights:
    """Weights as a model of this program has them.

    Args:
        weights: by the names of the family's module.
        section: the keys of ``model_config`` that follow from the weights or are said beside them.
        assumed: the keys of these that nothing tells, so that they are the usual ones.
    """

    weights: Mapping[str, Tensor]
    section: Mapping[str, Any] = field(default_factory=dict)
    assumed: Sequence[str] = ()


@dataclass(frozen=True)
class AdapterExample:
    """A small network in the layout of an adapter, to be compared with what the adapter makes of it.

    Args:
        stored: its random weights.
        family: the family that takes them.
        shape: voxels along each axis of its images.
        outputs: given the family's module with the adapted weights, returns what the original network computes, and
            what the module computes of the same input.
    """

    stored: StoredModel
    family: str
    shape: tuple[int, ...]
    outputs: Callable[[GenerativeModule], tuple[Tensor, Tensor]]


class WeightAdapter(ABC):
    """The base of the components of the group ``weight_adapters``: one layout of weights each."""

    @abstractmethod
    def recognizes(self, stored: StoredModel) -> bool:
        """Say whether ``stored`` has the layout; no two adapters may say so of one file."""

    @abstractmethod
    def adapt(self, stored: StoredModel, family: str) -> AdaptedWeights:
        """Return the weights as a model of ``family`` has them.

        Raises:
            CheckpointError: they are of another kind of model.
        """

    @abstractmethod
    def examples(self) -> Sequence[AdapterExample]:
        """Return small networks in the layout, with random weights, for the check that nothing is computed wrongly."""


def refuse_family(stored: StoredModel, held: str, families: Sequence[str], family: str) -> CheckpointError:
    """Return the error that a file holds another kind of network than ``family`` takes.

    Args:
        stored: the file.
        held: what it holds, such as ``an autoencoder``.
        families: which take it.
        family: the one that is to be trained.
    """
    what = f"holds {held}, and model_name is {family}"
    return CheckpointError(Problem(str(stored.place), what, f"for such weights: {', '.join(families)}"))
