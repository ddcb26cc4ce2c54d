"""Training passes as CUDA graphs: the GPU gets all kernels of a network in one call instead of one by one."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from gandlf_synth.config import Config
from gandlf_synth.models.base import GenerativeModule

_WARM_UP = 3
_MOST_RECORDINGS = 2
"""Of a network: of whole batches, and of the last batch of an epoch."""
_MOST_MEMORY = 0.4
"""Share of the GPU's memory that a step may need: a graph keeps its own, beside what other passes need."""


def cuda_graphs(config: Config) -> list[Callback]:
    """Return what records CUDA graphs, where ``config`` leaves the choice."""
    compute, accumulates = config.compute, config.model.accumulate_grad_batches > 1
    stays = bool(config.model.freeze) or config.model.lora is not None
    shares = compute.strategy in ("fsdp", "deepspeed")  # which move weights and gradients themselves
    # A gradient lies where the recording left it, and the next backward pass overwrites it.
    return [CudaGraphs()] if compute.cuda_graphs and not (compute.compile or accumulates or stays or shares) else []


class CudaGraphs(Callback):
    """Runs the networks of ``module.networks_for_graphs()`` as CUDA graphs while they train.

    A small network is through sooner than the CPU can launch its kernels, and the GPU waits for every one. Batches of
    a third size, validation and sampling go the usual way; so does all the rest where a graph cannot be made.
    """

    def __init__(self) -> None:
        self._graphed: list[nn.Module] = []

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Put graphs in the place of the networks' own passes."""
        if not isinstance(pl_module, GenerativeModule) or pl_module.device.type != "cuda" or trainer.world_size > 1:
            return
        self._graphed = list(pl_module.networks_for_graphs())
        for network in self._graphed:
            network.forward = _GraphedForward(network)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Give the networks their own passes back."""
        self._give_back()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Give the networks their own passes back."""
        self._give_back()

    def _give_back(self) -> None:
        while self._graphed:
            del self._graphed.pop().forward


class _GraphedForward:
    """The pass of ``network``, recorded at the first training batch and replayed for all that are like it.

    The last batch of an epoch, which is often smaller, has a recording of its own.
    """

    def __init__(self, network: nn.Module) -> None:
        self._network = network
        self._forward: Callable[..., Any] = network.forward
        self.recordings: dict[tuple[object, ...], _Recording | None] = {}
        """By the sizes of the inputs; None where no graph could be made."""

    def __call__(self, *inputs: Tensor, **more: Tensor) -> Any:
        """Return what the network makes of its inputs."""
        trains = self._network.training and torch.is_grad_enabled()
        if not trains or any(each.requires_grad for each in (*inputs, *more.values())):
            return self._forward(*inputs, **more)
        likeness = tuple((name, each.shape, each.dtype) for name, each in (*enumerate(inputs), *more.items()))
        if likeness not in self.recordings and len(self.recordings) < _MOST_RECORDINGS:
            self.recordings[likeness] = self._record((*inputs, *more.values()), len(inputs), tuple(more))
        recording = self.recordings.get(likeness)
        if recording is None:
            return self._forward(*inputs, **more)
        outputs = _Replay.apply(recording, *inputs, *more.values(), *recording.weights)  # type: ignore[no-untyped-call, unused-ignore]
        return outputs if recording.is_tuple else outputs[0]

    def _record(self, inputs: Sequence[Tensor], by_place: int, names: Sequence[str]) -> "_Recording | None":
        device = inputs[0].device
        random_numbers = torch.cuda.get_rng_state(device)

        def call(*held: Tensor) -> Any:
            return self._forward(*held[:by_place], **dict(zip(names, held[by_place:], strict=True)))

        try:
            return _Recording(call, inputs, [each for each in self._network.parameters() if each.requires_grad])
        except RuntimeError:
            torch.cuda.synchronize(device)
            torch.cuda.empty_cache()
            return None
        finally:
            torch.cuda.set_rng_state(random_numbers, device)


class _TooLargeError(RuntimeError):
    """A graph would leave too little memory for the rest."""


class _Recording:
    """The forward and the backward pass of ``call`` at fixed places in memory.

    Args:
        call: the network.
        inputs: of the shapes that will come.
        weights: what gets gradients.

    Raises:
        RuntimeError: an operation that no graph can hold, or too little memory.
    """

    def __init__(self, call: Callable[..., Any], inputs: Sequence[Tensor], weights: Sequence[nn.Parameter]) -> None:
        self.inputs = [each.detach().clone() for each in inputs]
        self.weights = weights
        beside = torch.cuda.Stream()  # type: ignore[no-untyped-call, unused-ignore]
        beside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(beside):
            for _ in range(_WARM_UP):
                outputs = [each for each in _as_tuple(call(*self.inputs)) if each.requires_grad]
                torch.autograd.grad(outputs, weights, [torch.zeros_like(each) for each in outputs], allow_unused=True)
        torch.cuda.current_stream().wait_stream(beside)
        torch.cuda.synchronize()
        if torch.cuda.max_memory_allocated() > _MOST_MEMORY * torch.cuda.get_device_properties().total_memory:
            raise _TooLargeError
        # Loaders pin memory in a thread of their own, which only this mode allows while a graph is recorded.
        options: dict[str, Any] = {"pool": torch.cuda.graph_pool_handle(), "capture_error_mode": "thread_local"}
        self.forward, self.backward = torch.cuda.CUDAGraph(), torch.cuda.CUDAGraph()
        with torch.cuda.graph(self.forward, **options):
            made = call(*self.inputs)
        self.is_tuple = isinstance(made, tuple)
        outputs = [each for each in _as_tuple(made) if each.requires_grad]
        self.output_gradients = [torch.zeros_like(each) if each.requires_grad else None for each in _as_tuple(made)]
        given = [each for each in self.output_gradients if each is not None]
        with torch.cuda.graph(self.backward, **options):
            self.gradients = torch.autograd.grad(outputs, weights, given, allow_unused=True)
        # The rest of their graph belongs to the stream of the recording.
        self.outputs = tuple(each.detach() for each in _as_tuple(made))


def _as_tuple(outputs: Any) -> tuple[Tensor, ...]:
    return outputs if isinstance(outputs, tuple) else (outputs,)


class _Replay(torch.autograd.Function):
    """A recorded pass as one node of autograd."""

    @staticmethod
    def forward(context: Any, recording: _Recording, *inputs_and_weights: Tensor) -> tuple[Tensor, ...]:
        context.recording = recording
        for held, new in zip(recording.inputs, inputs_and_weights, strict=False):
            held.copy_(new)
        recording.forward.replay()
        outputs = tuple(each.detach() for each in recording.outputs)
        known = zip(outputs, recording.output_gradients, strict=True)
        context.mark_non_differentiable(*(each for each, gradient in known if gradient is None))
        return outputs

    @staticmethod
    @once_differentiable
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        recording: _Recording = context.recording
        for held, gradient in zip(recording.output_gradients, gradients, strict=True):
            if held is not None:
                held.copy_(gradient)
        recording.backward.replay()
        before: list[None] = [None] * (1 + len(recording.inputs))
        return (*before, *(each if each is None else each.detach() for each in recording.gradients))
