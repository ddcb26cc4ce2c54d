"""What is spent, against the exact curve of the Gaussian mechanism and against Opacus."""

from math import exp, sqrt

import pytest
from opacus.accountants import RDPAccountant
from scipy.optimize import brentq
from scipy.stats import norm

from gandlf_synth.training.privacy.accounting import NoisySteps, noise_for

BUDGETS = [(1.0, 0.32, 400), (8.0, 0.32, 400), (3.0, 0.02, 5000)]


def _exact_epsilon(noise_multiplier: float, steps: int, delta: float) -> float:
    """Return epsilon of Gaussian noise on all subjects in every step (Balle & Wang 2018, arXiv 1805.06530, theorem 8)."""
    shift = sqrt(steps) / noise_multiplier

    def excess(epsilon: float) -> float:
        first = norm.cdf(shift / 2 - epsilon / shift)
        return float(first - exp(epsilon) * norm.cdf(-shift / 2 - epsilon / shift) - delta)

    return float(brentq(excess, 1e-6, 200))


@pytest.mark.parametrize(("noise_multiplier", "steps"), [(5.0, 1), (10.0, 100), (30.0, 400)])
def test_what_is_said_is_never_less_than_what_is_spent_and_little_more(noise_multiplier: float, steps: int) -> None:
    exact = _exact_epsilon(noise_multiplier, steps, 1e-5)

    told = NoisySteps(noise_multiplier, sampling_rate=1.0, delta=1e-5).epsilon(steps)

    assert exact <= told <= 1.25 * exact


@pytest.mark.parametrize(("epsilon", "sampling_rate", "steps"), BUDGETS)
def test_the_noise_keeps_all_steps_within_the_budget_and_none_more(
    epsilon: float, sampling_rate: float, steps: int
) -> None:
    noise = noise_for(epsilon, 1e-5, sampling_rate, steps)
    noisy = NoisySteps(noise, sampling_rate, 1e-5)

    assert 0.99 * epsilon < noisy.epsilon(steps) <= epsilon
    assert steps <= noisy.affordable(epsilon) < 1.05 * steps + 2
    assert noisy.epsilon(noisy.affordable(epsilon) + 1) > epsilon


def test_the_steps_add_up_as_opacus_adds_them() -> None:
    accountant = RDPAccountant()
    for _ in range(3):
        accountant.history.append((1.3, 0.05, 40))

    assert NoisySteps(1.3, 0.05, 1e-5).epsilon(120) == pytest.approx(accountant.get_epsilon(1e-5), abs=2e-3)
    assert NoisySteps(1.3, 0.05, 1e-5).epsilon(0) == 0
