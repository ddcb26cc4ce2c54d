"""What is measured; each folder is one command: ``python -m benchmarks.NAME``."""
