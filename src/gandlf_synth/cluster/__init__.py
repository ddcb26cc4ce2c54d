"""Trainings as jobs of a cluster's scheduler: files for Slurm's ``sbatch``, with the reason for every line."""
