"""What processes that share the weights of a model have to do alike in every step."""

from lightning.pytorch import Callback, LightningModule, Trainer
from torch.optim import Optimizer

from gandlf_synth.data.loading.dataset import Batch
from gandlf_synth.errors import PluginError, Problem
from gandlf_synth.networks.sharding import average_gradients, share_buffers


class SharedWeights(Callback):
    """Keeps what is not shared alike in all processes: buffers, and the gradients of weights that are whole.

    Raises:
        PluginError: a network was shared, and the training does not call it.
    """

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Batch, batch_idx: int) -> None:
        """Take over the first process's buffers, as DistributedDataParallel does."""
        share_buffers(pl_module)

    def on_before_optimizer_step(self, trainer: Trainer, pl_module: LightningModule, optimizer: Optimizer) -> None:
        """Average the gradients that nobody has averaged."""
        lost = average_gradients(pl_module, pl_module.whole_weights, pl_module.device_mesh)
        if lost:
            where = f"model {pl_module.config.model_name}"
            what = f"shares {lost[0]} among processes, and its training uses the network without calling it"
            fix = "let networks_to_shard() return the modules that are called, module(…)"
            raise PluginError(Problem(where, what, fix=fix))
