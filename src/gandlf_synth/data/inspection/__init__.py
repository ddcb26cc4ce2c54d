"""What a data set is, and what may be wrong with it."""
