"""Networks as plain modules with keyword arguments, usable from a notebook without a configuration."""
