"""What is measured: each folder or module is one command, writes JSON under ``results/`` and prints a table."""
