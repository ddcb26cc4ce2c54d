"""Images on disk, and what becomes of them before a model sees them."""
