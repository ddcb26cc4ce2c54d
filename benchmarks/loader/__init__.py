"""How fast batches come, beside TorchIO and MONAI, and what they cost in memory."""
