"""What noisy steps on random subjects tell of any one of them, in Rényi differential privacy, computed by Opacus.

Sampled Gaussian mechanism: Mironov, Talwar, Zhang 2019, arXiv 1908.10530.
"""

from dataclasses import dataclass
from importlib.util import find_spec
from math import ceil

from gandlf_synth.errors import ConfigError, MissingExtraError, Problem

_ORDERS = [*(1 + tenth / 10 for tenth in range(1, 100)), *range(11, 64), 72, 80, 96, 128, 192, 256, 384, 512, 1024]
"""Orders of the divergence: each gives a bound, and the smallest counts."""
_DIGITS = 4
ADJACENCY = "adding or removing all images of one subject"


def check_accountant(where: str) -> None:
    """Refuse a budget that nothing here can count.

    Raises:
        MissingExtraError: Opacus is not installed.
    """
    if find_spec("opacus") is None:
        raise MissingExtraError(where, "opacus", "privacy")


@dataclass(frozen=True)
class NoisySteps:
    """Steps that are alike: each takes a random part of the subjects, and adds Gaussian noise.

    Args:
        noise_multiplier: standard deviation of the noise, in the most that one subject adds.
        sampling_rate: the probability with which each subject takes part, by itself, in each step.
        delta: the probability that the bound does not cover.

    Example:
        >>> steps = NoisySteps(noise_multiplier=1.5, sampling_rate=0.1, delta=1e-4)
        >>> round(steps.epsilon(500), 2), steps.affordable(8.0)
        (8.07, 492)
    """

    noise_multiplier: float
    sampling_rate: float
    delta: float

    def epsilon(self, steps: int) -> float:
        """Return what so many steps spend, rounded up."""
        from opacus.accountants import RDPAccountant

        if not steps:
            return 0.0
        accountant = RDPAccountant()
        accountant.history = [(self.noise_multiplier, self.sampling_rate, steps)]
        return _rounded_up(accountant.get_epsilon(self.delta, alphas=_ORDERS))

    def affordable(self, epsilon: float) -> int:
        """Return the largest number of steps that spends no more than ``epsilon``."""
        most = 1
        while self.epsilon(most) <= epsilon:
            most *= 2
        least = most // 2
        while most - least > 1:
            middle = (least + most) // 2
            least, most = (middle, most) if self.epsilon(middle) <= epsilon else (least, middle)
        return least


def noise_for(epsilon: float, delta: float, sampling_rate: float, steps: int) -> float:
    """Return the smallest noise multiplier with which so many steps spend no more than ``epsilon``.

    Raises:
        ConfigError: no noise is enough.
    """
    from opacus.accountants.utils import get_noise_multiplier

    try:
        found = get_noise_multiplier(
            target_epsilon=epsilon, target_delta=delta, sample_rate=sampling_rate, steps=steps, accountant="rdp",
            epsilon_tolerance=epsilon / 1000, alphas=_ORDERS,
        )  # fmt: skip
    except ValueError as error:
        what = f"is {epsilon:g}, which no noise keeps over {steps} steps"
        raise ConfigError(Problem("privacy.epsilon", what, fix="raise it, or train fewer steps")) from error
    return _rounded_up(found)


def _rounded_up(value: float) -> float:
    scale: int = 10**_DIGITS
    return ceil(value * scale) / scale
