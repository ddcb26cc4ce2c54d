"""How learning rates rise and fall over a run, and how weights are averaged over it; plain numbers."""


def rate_share(progress: float, span: tuple[float, float], warmup: float, cooldown: float) -> float:
    """Return the share of its full learning rate with which a network learns.

    It rises linearly, stays, and falls linearly to zero: a constant rate leaves noise in the weights, and so in the
    images, which a linear cool-down removes (Hägele et al. 2024, arXiv 2405.18392).

    Args:
        progress: the share of the training that is over.
        span: when the network begins and ceases to learn, as shares of the training.
        warmup: the share of its span in which the rate rises.
        cooldown: the share of its span in which the rate falls.

    Example:
        >>> [round(rate_share(progress, (0.0, 1.0), 0.1, 0.4), 2) for progress in (0.0, 0.05, 0.5, 0.8, 1.0)]
        [0.0, 0.5, 1.0, 0.5, 0.0]
    """
    start, end = span
    begun, left = (progress - start) / (end - start), (end - progress) / (end - start)
    rising = begun / warmup if warmup else 1.0
    falling = left / cooldown if cooldown else 1.0
    return max(0.0, min(1.0, rising, falling))


def power_exponent(relative_width: float) -> float:
    """Return γ of an average that weighs step t by (t / t_end)^γ (Karras et al. 2024, arXiv 2312.02696, eq. 126).

    Args:
        relative_width: σ_rel, the standard deviation of the average's profile as a share of the training.

    Example:
        >>> round(power_exponent(0.05), 2), round(power_exponent(0.10), 2)
        (16.97, 6.94)
    """
    low, high = 0.0, 1e6
    while high - low > 1e-9 * high:
        middle = (low + high) / 2
        width = ((middle + 1) / ((middle + 2) ** 2 * (middle + 3))) ** 0.5
        low, high = (middle, high) if width > relative_width else (low, middle)
    return low


def power_decay(step: int, exponent: float) -> float:
    """Return how much of the average stays when step ``step``, from 1, is taken in (Karras et al. 2024, eq. 127).

    The average of step 1 is the weights themselves.

    Example:
        >>> power_decay(1, 6.94), round(power_decay(1000, 6.94), 4)
        (0.0, 0.9921)
    """
    return float((1 - 1 / step) ** (exponent + 1))
