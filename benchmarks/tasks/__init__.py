"""Images from images, measured: what each task of ``configs/tasks`` gives on real data, as a user runs it.

``python -m benchmarks.tasks --minutes 4 translation unpaired …`` trains by the commands, makes the images of
subjects that were not trained on, compares them with the true ones by ``evaluate --paired``, and writes
``results/tasks.json``.
"""
