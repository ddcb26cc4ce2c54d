"""How well one image lies on another after the best shift, rotation and zoom, whatever the sign of the contrast."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from scipy.fft import next_fast_len
from torch import Tensor

from gandlf_synth.metrics.detail import FLIPS, chunks, coarse_poses, flipped, generators, warp

_REACH = 0.2
"""The farthest shift, as a share of the side."""
_ITERATIONS = 6
_FARTHEST = 0.35
"""How far a pose's matrix may lie from that of no rotation and no zoom: about 14°, or a zoom of 1.25."""
_SMALLEST_OVERLAP = 0.4
_BLOCK = {"cpu": 2**22, "cuda": 2**26}
"""Values that are correlated at once: as many as a processor's cache holds, or as keep a GPU busy."""


@dataclass(frozen=True)
class Registered:
    """Images on their candidates.

    Args:
        correlation: of the detail where both images are, ``(n, …)``; the largest, or the smallest if that is farther
            from 0.
        pose: ``(n, …, dims, dims + 1)``, for ``warp``.
    """

    correlation: Tensor
    pose: Tensor


def register_roughly(images: Tensor, known: Tensor, index: Tensor, flips: Tensor) -> Registered:
    """Return the best of nine poses and all shifts up to a fifth of the side, by normalized correlation.

    Args:
        images: their detail, ``(n, *shape)``.
        known: of the training images, ``(known, *shape)``.
        index: the candidates of each image, ``(n, candidates)``.
        flips: the flip of the image under which each is compared.

    Source: Padfield 2012 (masked normalized correlation by Fourier transforms), without the local mean, which the
    detail does not have.
    """
    dims = images.ndim - 1
    poses = coarse_poses(dims).to(images)
    values = images[0].numel() * len(poses) * index.shape[1] * 2**dims
    return _in_blocks(lambda rows: _rough_block(images[rows], known, index[rows], flips[rows], poses), images, values)


def _in_blocks(register: Callable[[slice], Registered], images: Tensor, values: int) -> Registered:
    """Return what ``register`` finds for images, some of them at a time, each taking so many values."""
    parts = [register(rows) for rows in chunks(len(images), max(1, _BLOCK[images.device.type] // values))]
    return Registered(torch.cat([part.correlation for part in parts]), torch.cat([part.pose for part in parts]))


def _rough_block(images: Tensor, known: Tensor, index: Tensor, flips: Tensor, poses: Tensor) -> Registered:
    shape, dims = images.shape[1:], images.ndim - 1
    axes = tuple(range(-dims, 0))
    reach = [max(1, round(_REACH * length)) for length in shape]
    padded = [next_fast_len(length + far, real=True) for length, far in zip(shape, reach, strict=True)]

    def transform(values: Tensor) -> Tensor:
        spectra: Tensor = torch.fft.rfftn(values, s=padded, dim=axes)
        return spectra

    def shifts(spectra: Tensor) -> Tensor:
        """Return the correlations at every shift within reach, ``(…, shifts)``."""
        values: Tensor = torch.fft.irfftn(spectra, s=padded, dim=axes)
        for axis, far in zip(axes, reach, strict=True):
            places = torch.cat([torch.arange(-far, 0), torch.arange(far + 1)]).to(values.device) % values.shape[axis]
            values = values.index_select(axis, places)
        return values.flatten(-dims)

    def posed(values: Tensor) -> Tensor:
        """Return ``values`` under every flip and pose, ``(n, flips, poses, *shape)``."""
        count = len(values)
        banks = [
            torch.stack([warp(flipped(values, flip), pose.expand(count, -1, -1)) for pose in poses], dim=1)
            for flip in range(len(FLIPS))
        ]
        return torch.stack(banks, dim=1)

    turned, inside = posed(images), posed(torch.ones_like(images[:1]))[:, :1]
    targets = known[index]
    own, weight = transform(turned).conj(), transform(inside).conj()
    powers = shifts(transform(turned**2).conj() * transform(torch.ones_like(images[:1]))[:, None, None])
    rows = torch.arange(len(images), device=images.device)[:, None]
    cross = shifts(own[rows, flips] * transform(targets)[:, :, None])
    other_powers = shifts(weight[0] * transform(targets**2)[:, :, None])
    least = 1e-4 * targets.flatten(2).pow(2).sum(-1)[..., None, None] + 1e-9
    correlation = cross / (powers[rows, flips].clamp_min(1e-9) * other_powers.clamp_min(least)).sqrt()
    best, place = correlation.abs().flatten(2).max(dim=2)
    count = correlation.shape[-1]
    pose = poses[place // count].clone()
    steps = torch.stack(torch.unravel_index(place % count, [2 * far + 1 for far in reach]), dim=-1)
    pixels = steps.to(images) - torch.tensor(reach).to(images)
    moved = -2 * (pixels / torch.tensor(shape).to(images)).flip(-1)
    pose[..., dims] = (pose[..., :dims] @ moved[..., None])[..., 0]
    return Registered(best.clamp(0, 1), pose)


def register_finely(images: Tensor, targets: Tensor, poses: Tensor) -> Registered:
    """Return the poses from which the correlation cannot be raised, by Gauss-Newton steps.

    Args:
        images: already flipped, ``(n, *shape)``.
        targets: the candidate of each.
        poses: where to start, ``(n, dims, dims + 1)``.

    Source: Evangelidis & Psarakis 2008, with a similarity transform composed on the right.
    """
    moves = generators(images.ndim - 1).to(images)
    drift = moves @ _points(images).T
    values = images[0].numel() * len(moves) * 4
    return _in_blocks(lambda rows: _fine_block(images[rows], targets[rows], poses[rows], drift, moves), images, values)


def _fine_block(images: Tensor, targets: Tensor, poses: Tensor, drift: Tensor, moves: Tensor) -> Registered:
    best, best_pose = torch.zeros(len(images)).to(images), poses
    for iteration in range(_ITERATIONS + 1):
        warped, inside = warp(images, poses), overlap(images, poses)
        own, other = _masked(warped, inside), _masked(targets, inside)
        signed = (own * other).sum(1)
        better = _near(poses) & (inside.mean(1) > _SMALLEST_OVERLAP) & (signed.abs() > best.abs())
        best, best_pose = torch.where(better, signed, best), torch.where(better[:, None, None], poses, best_pose)
        if iteration < _ITERATIONS:
            residual = other * signed.sign()[:, None] - own
            poses = _step(poses, warped, inside, residual, drift, moves)
    return Registered(best.clamp(-1, 1), best_pose)


def correlation_at(images: Tensor, targets: Tensor, poses: Tensor) -> Tensor:
    """Return the correlation of ``images`` under ``poses`` with ``targets``, without its sign, ``(n,)``."""
    inside = overlap(images, poses)
    return (_masked(warp(images, poses), inside) * _masked(targets, inside)).sum(1).abs().clamp(0, 1)


def overlap(images: Tensor, poses: Tensor) -> Tensor:
    """Return 1 where a pose takes its value from inside the image, else 0, ``(n, pixels)``."""
    source = poses @ _points(images).T
    limits = 1 - 1 / torch.tensor(images.shape[1:][::-1]).to(images)
    return (source.abs() <= limits[:, None] + 1e-4).all(dim=1).to(images)


def _points(images: Tensor) -> Tensor:
    """Return the coordinates of all pixels with a 1 behind them, ``(pixels, dims + 1)``."""
    dims = images.ndim - 1
    axes = [(torch.arange(length).to(images) * 2 + 1) / length - 1 for length in images.shape[1:]]
    grid = torch.stack(torch.meshgrid(*axes, indexing="ij")[::-1], dim=-1).reshape(-1, dims)
    return torch.cat([grid, torch.ones_like(grid[:, :1])], dim=1)


def _masked(images: Tensor, mask: Tensor) -> Tensor:
    values = images.flatten(1)
    values = (values - (values * mask).sum(1, keepdim=True) / mask.sum(1, keepdim=True).clamp_min(1)) * mask
    norm = values.norm(dim=1, keepdim=True)
    return torch.where(norm > 1e-6, values / norm.clamp_min(1e-9), torch.zeros_like(values))


def _near(poses: Tensor) -> Tensor:
    dims = poses.shape[1]
    distances: Tensor = (poses[..., :dims] - torch.eye(dims).to(poses)).flatten(1).norm(dim=1)
    return distances < _FARTHEST


def _step(poses: Tensor, warped: Tensor, mask: Tensor, residual: Tensor, drift: Tensor, moves: Tensor) -> Tensor:
    dims = warped.ndim - 1
    norm = (warped.flatten(1) * mask).norm(dim=1, keepdim=True).clamp_min(1e-6)
    slopes = torch.gradient(warped, dim=tuple(range(1, dims + 1)))[::-1]
    scaled = [
        slope.flatten(1) * (length / 2 * mask / norm)
        for slope, length in zip(slopes, warped.shape[1:][::-1], strict=True)
    ]
    effects = torch.stack([slope[:, None] * drift[:, axis] for axis, slope in enumerate(scaled)]).sum(0)
    normal = effects @ effects.transpose(1, 2)
    damping = 1e-3 * normal.diagonal(dim1=1, dim2=2).mean(1)[:, None, None] + 1e-9
    normal = normal + damping * torch.eye(len(moves)).to(poses)
    step = torch.linalg.solve(normal, effects @ residual[:, :, None])
    change = (step.clamp(-0.1, 0.1)[..., None] * moves).sum(1)
    bottom = torch.zeros(len(poses), 1, dims + 1).to(poses)
    last = bottom.clone()
    last[..., dims] = 1
    whole: Tensor = torch.matrix_exp(torch.cat([change, bottom], dim=1))
    moved: Tensor = torch.cat([poses, last], dim=1) @ whole
    return moved[:, :dims]
