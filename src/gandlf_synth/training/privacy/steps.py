"""Training steps with a privacy budget, put in the place of a model's own."""

from collections.abc import Mapping
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor

from gandlf_synth.errors import CheckpointError, Problem, TrainingError
from gandlf_synth.models.base import GenerativeModule
from gandlf_synth.models.components.multi_optimizer import MultiOptimizerModule
from gandlf_synth.training.privacy.batches import PrivateBatch
from gandlf_synth.training.privacy.gradients import SubjectGradients
from gandlf_synth.training.privacy.plan import PrivacyPlan


class PrivateSteps(Callback):
    """Lets a model learn by noisy gradients only, and counts what they spend.

    While it trains, the model has another ``training_step`` and another ``backward``: the first computes what the
    second puts into the weights' gradients, whatever the loss. A step without subjects is a step of noise.

    Args:
        plan: of the run.

    Raises:
        TrainingError: one more step would exceed the budget.
        CheckpointError: the run goes on with other noise or another sampling than it began with.
    """

    def __init__(self, plan: PrivacyPlan) -> None:
        self._plan = plan
        self._affordable = plan.noisy_steps.affordable(plan.budget.epsilon)
        self._steps = 0
        self._noisy: list[Tensor] = []
        self._gradients: SubjectGradients | None = None

    @property
    def _kept(self) -> Mapping[str, float]:
        steps = self._plan.noisy_steps
        return {"noise_multiplier": steps.noise_multiplier, "sampling_rate": steps.sampling_rate, "delta": steps.delta}

    def state_dict(self) -> dict[str, float]:
        """Return the steps that were taken and how; no state of any generator, since noise is drawn anew."""
        return {"steps": self._steps, **self._kept}

    def load_state_dict(self, state_dict: dict[str, float]) -> None:
        """Go on counting."""
        self._steps = int(state_dict["steps"])
        for key, value in self._kept.items():
            if state_dict[key] != value:
                what = f"was {state_dict[key]:g} when the run began, and is {value:g}"
                fix = "go on with the same subjects, batch_size and privacy section"
                raise CheckpointError(Problem(f"privacy: {key}", what, fix=fix))

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Take the place of the model's own step."""
        budget, steps = self._plan.budget, self._plan.noisy_steps
        weights = [weight for each in trainer.optimizers for group in each.param_groups for weight in group["params"]]
        self._gradients = SubjectGradients(
            weights, budget.max_grad_norm, steps.noise_multiplier, self._plan.expected_subjects
        )
        self._weights = weights
        module: Any = pl_module
        module.training_step = lambda batch, batch_idx: self._step(module, batch, batch_idx)
        module.backward = self._backward

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Give the model its own step back."""
        self._give_back(pl_module)

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Say what was spent, also by a run that had ended before and had nothing left to do."""
        self._tell(pl_module)

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Give the model its own step back."""
        self._give_back(pl_module)

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Let the description that goes with the weights say what was spent."""
        self._tell(pl_module)

    def _give_back(self, module: LightningModule) -> None:
        for name in ("training_step", "backward"):
            module.__dict__.pop(name, None)

    def _tell(self, module: LightningModule) -> None:
        module.privacy = self._plan.record(self._steps)  # type: ignore[assignment, unused-ignore]

    def _step(self, module: GenerativeModule, batch: PrivateBatch, batch_idx: int) -> Tensor:
        if self._steps >= self._affordable:
            what = f"is spent after {self._steps} steps"
            raise TrainingError(Problem("privacy", what, fix="the last checkpoint is the model"))
        if self._gradients is None:
            raise ValueError("a step was taken before the training began")
        self._steps += 1
        self._noisy, loss = self._gradients.of_step(module, batch["subjects"])
        if batch["subjects"]:
            options: dict[str, Any] = {"on_step": False, "on_epoch": True, "batch_size": len(batch["subjects"])}
            module.log("train_loss", loss, **options)
        if isinstance(module, MultiOptimizerModule):
            return module.step_by_gradients(loss, batch_idx)
        return loss

    def _backward(self, loss: Tensor, *more: Any, **options: Any) -> None:
        for weight, gradient in zip(self._weights, self._noisy, strict=True):
            weight.grad = gradient
        self._noisy = []
