"""The CSV: its rows, its splits, and how it is made from folders."""
