"""The optimizers by GaNDLF's names, with its defaults; where it has none, torch's or the paper's.

Each takes the weights to optimize, then what the YAML may set: ``lr`` is the learning rate, ``betas`` the decay per
step of the running averages, ``eps`` what keeps a division from zero, ``weight_decay`` the strength of the pull towards
zero.
"""

from typing import TYPE_CHECKING

from pydantic import NonNegativeFloat, NonNegativeInt, PositiveFloat

from gandlf_synth.optim.adam_family import Betas, Fraction, adam, adamax, adamw, nadam, novograd, radam

if TYPE_CHECKING:
    from torch.optim import Optimizer
    from torch.optim.optimizer import ParamsT

__all__ = [
    "adadelta",
    "adagrad",
    "adam",
    "adamax",
    "adamw",
    "ademamix",
    "adopt",
    "asgd",
    "lion",
    "nadam",
    "novograd",
    "radam",
    "rmsprop",
    "rprop",
    "sgd",
]


def sgd(
    params: "ParamsT",
    /,
    *,
    lr: PositiveFloat = 1e-3,
    momentum: NonNegativeFloat = 0.99,
    weight_decay: NonNegativeFloat = 3e-5,
    dampening: float = 0,
    nesterov: bool = True,
) -> "Optimizer":
    """Return stochastic gradient descent with momentum (Sutskever et al. 2013)."""
    from torch.optim import SGD

    return SGD(params, lr, momentum, dampening, weight_decay, nesterov)


def asgd(
    params: "ParamsT",
    /,
    *,
    lr: PositiveFloat = 1e-2,
    lambd: NonNegativeFloat = 1e-4,
    alpha: NonNegativeFloat = 0.75,
    t0: NonNegativeFloat = 1e6,
    weight_decay: NonNegativeFloat = 3e-5,
) -> "Optimizer":
    """Return averaged SGD (Polyak & Juditsky 1992); ``t0`` is the step where averaging starts."""
    from torch.optim import ASGD

    return ASGD(params, lr, lambd, alpha, t0, weight_decay)


def rprop(
    params: "ParamsT",
    /,
    *,
    lr: PositiveFloat = 1e-2,
    etas: tuple[PositiveFloat, PositiveFloat] = (0.5, 1.2),
    step_sizes: tuple[PositiveFloat, PositiveFloat] = (1e-7, 50),
) -> "Optimizer":
    """Return resilient backpropagation (Riedmiller & Braun 1993), meant for full batches.

    Args:
        params: the weights.
        lr: the first step.
        etas: factors by which a step shrinks and grows.
        step_sizes: smallest and largest step.
    """
    from torch.optim import Rprop

    return Rprop(params, lr, etas, step_sizes)


def adadelta(
    params: "ParamsT",
    /,
    *,
    lr: PositiveFloat = 1.0,
    rho: Fraction = 0.9,
    eps: NonNegativeFloat = 1e-6,
    weight_decay: NonNegativeFloat = 3e-5,
) -> "Optimizer":
    """Return Adadelta (Zeiler 2012, arXiv 1212.5701)."""
    from torch.optim import Adadelta

    return Adadelta(params, lr, rho, eps, weight_decay)


def adagrad(
    params: "ParamsT",
    /,
    *,
    lr: PositiveFloat = 1e-2,
    lr_decay: NonNegativeFloat = 0,
    eps: NonNegativeFloat = 1e-6,
    weight_decay: NonNegativeFloat = 3e-5,
) -> "Optimizer":
    """Return Adagrad (Duchi et al. 2011)."""
    from torch.optim import Adagrad

    return Adagrad(params, lr, lr_decay, weight_decay, eps=eps)


def rmsprop(
    params: "ParamsT",
    /,
    *,
    lr: PositiveFloat = 1e-2,
    alpha: Fraction = 0.99,
    eps: NonNegativeFloat = 1e-8,
    centered: bool = False,
    momentum: NonNegativeFloat = 0,
    weight_decay: NonNegativeFloat = 3e-5,
) -> "Optimizer":
    """Return RMSprop (Tieleman & Hinton 2012); ``centered``: Graves 2013, arXiv 1308.0850."""
    from torch.optim import RMSprop

    return RMSprop(params, lr, alpha, eps, weight_decay, momentum, centered)


def ademamix(
    params: "ParamsT",
    /,
    *,
    lr: PositiveFloat = 1e-3,
    betas: tuple[Fraction, Fraction, Fraction] = (0.9, 0.999, 0.9999),
    alpha: NonNegativeFloat = 5.0,
    eps: NonNegativeFloat = 1e-8,
    weight_decay: NonNegativeFloat = 0,
    num_warmup_steps: NonNegativeInt = 0,
) -> "Optimizer":
    """Return AdEMAMix; see ``elementwise.AdEMAMix``."""
    from gandlf_synth.optim.elementwise import AdEMAMix

    return AdEMAMix(params, lr, betas, alpha, eps, weight_decay, num_warmup_steps)


def lion(
    params: "ParamsT",
    /,
    *,
    lr: PositiveFloat = 1e-4,
    betas: Betas = (0.9, 0.99),
    weight_decay: NonNegativeFloat = 0,
    decoupled_weight_decay: bool = False,
) -> "Optimizer":
    """Return Lion; see ``elementwise.Lion``. ``decoupled_weight_decay``: the decay per step does not contain ``lr``."""
    from gandlf_synth.optim.elementwise import Lion

    return Lion(params, lr, betas, weight_decay / lr if decoupled_weight_decay else weight_decay)


def adopt(
    params: "ParamsT",
    /,
    *,
    lr: PositiveFloat = 1e-3,
    betas: Betas = (0.9, 0.9999),
    eps: NonNegativeFloat = 1e-6,
    weight_decay: NonNegativeFloat = 0,
    decoupled: bool = False,
) -> "Optimizer":
    """Return ADOPT; see ``elementwise.ADOPT``."""
    from gandlf_synth.optim.elementwise import ADOPT

    return ADOPT(params, lr, betas, eps, weight_decay, decoupled=decoupled)
