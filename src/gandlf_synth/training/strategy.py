"""From ``compute:`` to a Lightning strategy."""

from collections.abc import Callable
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from gandlf_synth.config import ComputeConfig, ModelConfig
from gandlf_synth.errors import ConfigError, MissingExtraError, Problem, ResourceError, counted
from gandlf_synth.launcher import launcher_counts, node_count, process_count, processes_here

if TYPE_CHECKING:
    from gandlf_synth.models.base import GenerativeModule

_SIZES = ("data_parallel_size", "tensor_parallel_size")
"""The keys of ``strategy_config`` for fsdp."""
_SHARED_PRECISIONS = ("32-true", "32", "bf16-mixed", "bf16", "auto")
_PRECISIONS = ("32-true", "32", "bf16-mixed", "bf16", "16-mixed", "16", "auto")


def trains_several(model: ModelConfig) -> bool:
    """Say whether several networks, or an autoencoder before the model, are trained with optimizers of their own."""
    return len(model.networks) > 1 or model.prerequisite() is not None


def check_compute(compute: ComputeConfig, *, several_optimizers: bool = False) -> None:
    """Refuse devices that are not there, before anything is written.

    Args:
        compute: the configuration.
        several_optimizers: whether the model's networks take turns.

    Raises:
        ConfigError: the strategy cannot train such a model, or refuses its options; numbers that nothing trains in.
        ResourceError: no such device, or fewer than asked for.
        MissingExtraError: deepspeed is asked for and not installed.
    """
    import torch

    if compute.precision not in _PRECISIONS:
        where = f"compute.precision: {compute.precision}"
        what = "does not store the weights in 32 bits, and no family trains without that"
        raise ConfigError(Problem(where, what, fix="use bf16-mixed, 16-mixed, 32-true, or auto"))
    counts = {"cuda": torch.cuda.device_count(), "mps": int(torch.backends.mps.is_available())}
    counts["gpu"] = max(counts.values())
    if compute.accelerator in counts:
        devices = counts[compute.accelerator]
        needed = 1 if compute.num_devices == "auto" else compute.num_devices
        if devices < needed:
            where = f"compute.accelerator: {compute.accelerator}"
            what = f"{needed} asked for, {devices} found on this machine"
            raise ResourceError(Problem(where, what, fix="use accelerator: auto, or fewer num_devices"))
    _check_launcher(compute, counts["cuda"])
    strategy_for(compute, several_optimizers=several_optimizers)


def _check_launcher(compute: ComputeConfig, gpus: int) -> None:
    """Refuse another number of devices than the launcher started processes, one for each."""
    if not launcher_counts():
        return
    processes = processes_here()
    if compute.num_devices not in ("auto", processes):
        where = f"compute.num_devices: {compute.num_devices}"
        what = f"contradicts the launcher, which starts {processes} per machine"
        fix = "leave it out, or start as many: --ntasks-per-node of Slurm, --nproc-per-node of torchrun"
        raise ConfigError(Problem(where, what, fix=fix))
    if gpus and compute.accelerator != "cpu" and gpus < processes:
        what = f"started {processes} processes on this machine, and this one sees {counted(gpus, 'GPU')}"
        fix = "start fewer, or let every process see all of them: --gpus-per-node of Slurm, not --gpus-per-task"
        raise ResourceError(Problem("the launcher", what, fix=fix))


def strategy_for(compute: ComputeConfig, *, several_optimizers: bool = False) -> Any:
    """Return what Lightning's ``Trainer(strategy=…)`` takes.

    Args:
        compute: the configuration.
        several_optimizers: whether networks take turns, so that each backward pass leaves weights out.

    Raises:
        ConfigError: the strategy refuses its ``strategy_config``, or cannot train networks in turns.
        MissingExtraError: deepspeed is asked for and not installed.
        ResourceError: deepspeed is asked for and there is no CUDA device.
    """
    if compute.strategy == "ddp":
        from lightning.pytorch.strategies import DDPStrategy

        looks = several_optimizers or (_adds_up_alike(compute) and "static_graph" not in compute.strategy_config)
        options = {"find_unused_parameters": looks} | compute.strategy_config
        return _build_strategy(DDPStrategy, options)
    if compute.strategy == "fsdp":
        return _build_sharded(compute)
    if compute.strategy == "deepspeed":
        return _build_deepspeed(compute, several_optimizers)
    looks = several_optimizers or _adds_up_alike(compute)
    return "ddp_find_unused_parameters_true" if looks and in_several_processes(compute) else "auto"


def _adds_up_alike(compute: ComputeConfig) -> bool:
    """Say whether gradients of more than two processes are to be added up in one order from the first step on.

    Unless it looks for unused weights, DDP lays gradients out anew after its first step, and sums round otherwise: a
    run that goes on would not be the same to the last bit.
    """
    import torch

    repeats = bool(compute.deterministic) or compute.accelerator == "cpu" or not torch.cuda.is_available()
    return repeats and count_processes(compute) > 2  # the sum of two numbers has one order


def total_processes(compute: ComputeConfig) -> int:
    """Return how many processes will train on images of their own, of all machines."""
    import torch

    together = compute.strategy_config.get("tensor_parallel_size", 1)
    together = together if isinstance(together, int) else 1
    if (launched := process_count()) > 1:
        return max(1, launched // together)
    on_gpus = compute.accelerator != "cpu" and torch.cuda.is_available()
    devices = (torch.cuda.device_count() if on_gpus else 1) if compute.num_devices == "auto" else compute.num_devices
    return max(1, max(1, devices) * compute.num_nodes // together)


def in_several_processes(compute: ComputeConfig) -> bool:
    """Say whether training will run in more than one process: asked for, launched, or for all the GPUs there are."""
    import torch

    if compute.num_nodes > 1 or compute.num_devices not in ("auto", 1) or process_count() > 1:
        return True
    return compute.num_devices == "auto" and compute.accelerator != "cpu" and torch.cuda.device_count() > 1


def count_processes(compute: ComputeConfig) -> int:
    """Return how many processes train together, on all machines."""
    import torch

    on_gpus = compute.accelerator != "cpu" and torch.cuda.is_available()
    here: int = torch.cuda.device_count() if on_gpus and not launcher_counts() else processes_here()
    devices = here if compute.num_devices == "auto" else compute.num_devices
    return devices * max(compute.num_nodes, node_count())


def _build_sharded(compute: ComputeConfig) -> Any:
    """Return the strategy that shares the weights out, if its settings fit the processes that there are."""
    where, processes = "compute.strategy: fsdp", count_processes(compute)
    if processes == 1:
        fix = "set compute.num_devices, start several processes, or use strategy: ddp"
        raise ConfigError(Problem(where, "shares the weights among processes, and there is one", fix=fix))
    _check_shared_precision(compute)
    data, tensor = _mesh_sizes(compute, processes)

    from gandlf_synth.training.sharded_strategy import ShardedStrategy

    return ShardedStrategy(data, tensor)


def _check_shared_precision(compute: ComputeConfig) -> None:
    if compute.precision not in _SHARED_PRECISIONS:
        what = f"does not go with compute.precision: {compute.precision}"
        raise ConfigError(Problem(f"compute.strategy: {compute.strategy}", what, fix="use bf16-mixed or 32-true"))


def _mesh_sizes(compute: ComputeConfig, processes: int) -> tuple[int, int]:
    """Return how many processes see other images, and how many split each layer among them."""
    given = compute.strategy_config
    unknown = [key for key in given if key not in _SIZES]
    if unknown:
        where = f"compute.strategy_config.{unknown[0]}"
        raise ConfigError(Problem(where, "is not a setting of fsdp", " and ".join(_SIZES)))
    for key, size in given.items():
        if not isinstance(size, int) or isinstance(size, bool) or size < 1:
            raise ConfigError(Problem(f"compute.strategy_config.{key}", f"is {size}", "a whole number from 1"))
    sizes: Any = given
    tensor = sizes.get(_SIZES[1]) or max(1, processes // sizes.get(_SIZES[0], processes))
    data = sizes.get(_SIZES[0]) or max(1, processes // tensor)
    if data * tensor != processes:
        what = f"{data} × {tensor} is {data * tensor}, and {processes} processes train"
        fix = "data_parallel_size times tensor_parallel_size must be the number of processes"
        raise ConfigError(Problem("compute.strategy_config", what, fix=fix))
    return data, tensor


def check_splits(compute: ComputeConfig, module: "GenerativeModule") -> None:
    """Refuse to split the layers of a model of which none can be split so.

    Raises:
        ConfigError: the processes of a group would all do the same.
    """
    if compute.strategy != "fsdp":
        return
    _, tensor = _mesh_sizes(compute, count_processes(compute))
    if tensor > 1 and not module.tensor_splits(tensor):
        where = f"compute.strategy_config.tensor_parallel_size: {tensor}"
        what = f"{module.config.model_name} has no layers that {tensor} processes can split"
        fix = "use data_parallel_size alone; attention splits by its heads, residual blocks by norm_num_groups"
        raise ConfigError(Problem(where, what, fix=fix))


def _build_deepspeed(compute: ComputeConfig, several_optimizers: bool) -> Any:
    import torch

    where = "compute.strategy: deepspeed"
    if several_optimizers:
        fix = "use strategy: fsdp or ddp, or a family with one network to train, such as ddpm"
        raise ConfigError(Problem(where, "shards the weights of one optimizer, and this family has several", fix=fix))
    _check_shared_precision(compute)
    if not find_spec("deepspeed"):
        raise MissingExtraError(where, "deepspeed", "deepspeed")
    if not torch.cuda.is_available():
        raise ResourceError(Problem(where, "needs a CUDA device", fix="use strategy: fsdp or ddp"))

    from gandlf_synth.training.deepspeed_strategy import ReadableDeepSpeedStrategy

    return _build_strategy(ReadableDeepSpeedStrategy, compute.strategy_config)


def _build_strategy(strategy: Callable[..., Any], options: dict[str, object]) -> Any:
    try:
        return strategy(**options)
    except TypeError as error:
        raise ConfigError(Problem("compute.strategy_config", str(error).replace("__init__() ", ""))) from error
