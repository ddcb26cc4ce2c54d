"""Image quality for a budget of processor seconds of one thread: families, variants of one thing each, and rivals.

On a CPU (drawn heads, or real data where ``GANDLF_SYNTH_DATA`` is)::

    python -m benchmarks.quality --recipes edm-thin rivals --data phantoms --cpu-seconds 480 --seeds 0 1

On a GPU the steps that the seconds would buy are trained; ``--measure-speeds`` says how many those are. Twelve
processes share one GPU well under NVIDIA's multi-process service: 33 runs worth 480 to 1,200 seconds in four minutes::

    python -m benchmarks.quality --measure-speeds --cpu-seconds 5 --recipes ablation --data pneumonia
    python -m benchmarks.quality --device cuda --jobs 12 --recipes ablation --data pneumonia -o quality.jsonl

A line of JSON is written after each run; what was stopped goes on with the same command.
"""
