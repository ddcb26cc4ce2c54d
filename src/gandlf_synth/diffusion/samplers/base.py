"""What a sampler is, the noise levels that it walks over, and the steps that several samplers share."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, TypeVar

from gandlf_synth import registry
from gandlf_synth.errors import Problem, did_you_mean, listing

if TYPE_CHECKING:
    from torch import Tensor

ProcessKind = Literal["diffusion", "flow"]
"""The path from images to noise: that of a noise schedule, where signal² + sigma² = 1, or a straight line."""
_PATHS: dict[ProcessKind, str] = {"diffusion": "the paths of diffusion", "flow": "the straight paths of flow matching"}
S = TypeVar("S", bound=Callable[..., object])


@dataclass(frozen=True)
class NoiseLevel:
    """A point of the path from images to noise, where an image is ``signal · clean + sigma · noise``.

    Args:
        time: what the denoiser is told.
        signal: α of the samplers' papers.
        sigma: σ; 0 at the end of sampling.

    Example:
        >>> round(NoiseLevel(time=0.25, signal=0.75, sigma=0.25).log_snr, 3)
        1.099
    """

    time: float
    signal: float
    sigma: float

    @property
    def log_snr(self) -> float:
        """λ = log(α / σ) (Lu et al. 2022, arXiv 2211.01095, §2.1); infinite at pure noise and at no noise."""
        if self.signal == 0:
            return -math.inf
        return math.inf if self.sigma == 0 else math.log(self.signal / self.sigma)


Transition = tuple[NoiseLevel, NoiseLevel]
"""From where to where one step goes."""

Transitions = Iterable[Transition]
"""The steps, from the noisiest level to the cleanest."""

Predict = Callable[["Tensor", NoiseLevel], "Tensor"]
"""(noisy (batch, …), its level) → the predicted clean image."""

FreshNoise = Callable[[], "Tensor"]
"""() → standard normal noise of the shape of the batch; each image's comes from its own seed."""


class Sampler(Protocol):
    """A plain function, registered in the group ``samplers``.

    Undecorated it serves diffusion and flow matching alike; ``only_for`` says that it serves one of them.
    """

    def __call__(
        self, predict: Predict, noise: "Tensor", transitions: Transitions, fresh_noise: FreshNoise, /
    ) -> "Tensor":
        """Return images, of the shape of ``noise``.

        Args:
            predict: evaluates the network.
            noise: ``(batch, …)``, standard normal.
            transitions: the steps; the last one ends at sigma 0, the first may start at signal 0.
            fresh_noise: draws further noise; deterministic samplers never call it.
        """


def only_for(process: ProcessKind) -> Callable[[S], S]:
    """Return a decorator that marks a sampler as right for one kind of path only.

    Example:
        >>> @only_for("diffusion")
        ... def my_sampler(predict, noise, transitions, fresh_noise):
        ...     return noise
        >>> serves(my_sampler, "diffusion"), serves(my_sampler, "flow")
        (True, False)
    """

    def mark(sampler: S) -> S:
        sampler.only_for = process  # type: ignore[attr-defined]
        return sampler

    return mark


def serves(sampler: object, process: ProcessKind) -> bool:
    """Return whether ``sampler`` may be used on the paths of ``process``."""
    return getattr(sampler, "only_for", process) == process


def sampler_names(process: ProcessKind) -> list[str]:
    """Return the registered samplers that may be used on the paths of ``process``.

    Example:
        >>> "ddpm" in sampler_names("diffusion"), "ddpm" in sampler_names("flow")
        (True, False)
    """
    return [name for name in registry.names("samplers") if serves(registry.load("samplers", name), process)]


def sampler_problem(name: str, process: ProcessKind, where: str) -> Problem | None:
    """Return the problem with the sampler ``name`` on the paths of ``process``, else None.

    Example:
        >>> sampler_problem("heun", "flow", "model_config.sampler") is None
        True
        >>> sampler_problem("dimm", "diffusion", "model_config.sampler").fix
        "did you mean 'ddim'?"
    """
    unknown = registry.unknown_name("samplers", name, where)
    if unknown is None and serves(registry.load("samplers", name), process):
        return None
    names = sampler_names(process)
    if unknown:
        return Problem(where, f"unknown name {name!r} in samplers", listing(names), did_you_mean(name, names))
    return Problem(where, f"the sampler {name!r} is not made for {_PATHS[process]}", listing(names))


def ddim_step(noisy: "Tensor", clean: "Tensor", start: NoiseLevel, end: NoiseLevel) -> "Tensor":
    """Return the solution at ``end`` if the prediction stays ``clean`` (Lu et al. 2022, eq. 8, first order: DDIM)."""
    shrink = end.sigma / start.sigma
    return shrink * noisy + (end.signal - shrink * start.signal) * clean


def extrapolation_weight(before: NoiseLevel | None, start: NoiseLevel, end: NoiseLevel) -> float:
    """Return h / (2 h_before), which extrapolates a prediction to the middle of a step (Lu et al. 2022, algorithm 2).

    It is 0, which makes the step first order, in the first step, after a step from pure noise and in the last one.
    """
    if before is None or end.sigma == 0 or before.signal == 0:
        return 0.0
    return (end.log_snr - start.log_snr) / (2 * (start.log_snr - before.log_snr))
