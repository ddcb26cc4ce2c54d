"""Adam and its descendants, with GaNDLF's defaults; see ``optimizers`` for the parameters they share."""

from typing import TYPE_CHECKING, Annotated

from pydantic import Field, NonNegativeFloat, PositiveFloat

if TYPE_CHECKING:
    from torch.optim import Optimizer
    from torch.optim.optimizer import ParamsT

Fraction = Annotated[float, Field(ge=0, lt=1)]
Betas = tuple[Fraction, Fraction]


def adam(
    params: "ParamsT",
    /,
    *,
    lr: PositiveFloat = 1e-3,
    betas: Betas = (0.9, 0.999),
    weight_decay: NonNegativeFloat = 5e-5,
    eps: NonNegativeFloat = 1e-8,
    amsgrad: bool = False,
) -> "Optimizer":
    """Return Adam (Kingma & Ba 2015, arXiv 1412.6980); ``amsgrad``: Reddi et al. 2018."""
    from torch.optim import Adam

    return Adam(params, lr, betas, eps, weight_decay, amsgrad)


def adamw(
    params: "ParamsT",
    /,
    *,
    lr: PositiveFloat = 1e-3,
    betas: Betas = (0.9, 0.999),
    weight_decay: NonNegativeFloat = 5e-5,
    eps: NonNegativeFloat = 1e-8,
    amsgrad: bool = False,
) -> "Optimizer":
    """Return Adam with decoupled weight decay (Loshchilov & Hutter 2019, arXiv 1711.05101)."""
    from torch.optim import AdamW

    return AdamW(params, lr, betas, eps, weight_decay, amsgrad)


def adamax(
    params: "ParamsT",
    /,
    *,
    lr: PositiveFloat = 2e-3,
    betas: Betas = (0.9, 0.999),
    weight_decay: NonNegativeFloat = 5e-5,
    eps: NonNegativeFloat = 1e-8,
) -> "Optimizer":
    """Return Adam with the infinity norm (Kingma & Ba 2015, section 7.1)."""
    from torch.optim import Adamax

    return Adamax(params, lr, betas, eps, weight_decay)


def radam(
    params: "ParamsT",
    /,
    *,
    lr: PositiveFloat = 1e-3,
    betas: Betas = (0.9, 0.999),
    eps: NonNegativeFloat = 1e-8,
    weight_decay: NonNegativeFloat = 3e-5,
) -> "Optimizer":
    """Return rectified Adam (Liu et al. 2020, arXiv 1908.03265)."""
    from torch.optim import RAdam

    return RAdam(params, lr, betas, eps, weight_decay)


def nadam(
    params: "ParamsT",
    /,
    *,
    lr: PositiveFloat = 2e-3,
    betas: Betas = (0.9, 0.999),
    eps: NonNegativeFloat = 1e-8,
    weight_decay: NonNegativeFloat = 3e-5,
) -> "Optimizer":
    """Return Adam with Nesterov's momentum (Dozat 2016)."""
    from torch.optim import NAdam

    return NAdam(params, lr, betas, eps, weight_decay)


def novograd(
    params: "ParamsT",
    /,
    *,
    lr: PositiveFloat = 1e-3,
    betas: Betas = (0.9, 0.999),
    eps: NonNegativeFloat = 1e-8,
    weight_decay: NonNegativeFloat = 3e-5,
    amsgrad: bool = False,
) -> "Optimizer":
    """Return NovoGrad, with one second moment per layer (Ginsburg et al. 2019, arXiv 1905.11286)."""
    from monai.optimizers import Novograd

    optimizer: Optimizer = Novograd(params, lr, betas, eps, weight_decay, amsgrad=amsgrad)
    return optimizer
