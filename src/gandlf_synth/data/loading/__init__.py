"""From prepared images to batches."""
