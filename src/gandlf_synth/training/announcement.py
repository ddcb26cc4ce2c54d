"""What a person is told when a training begins and when it ends."""

from typing import TYPE_CHECKING

from gandlf_synth.display.console import Reporter
from gandlf_synth.errors import counted
from gandlf_synth.provenance import RunRecord
from gandlf_synth.training.expectation import Expectation
from gandlf_synth.training.plan import Plan

if TYPE_CHECKING:
    from gandlf_synth.training.data import TrainingData
    from gandlf_synth.training.fit import FitResult


def announce_start(
    reporter: Reporter, plan: Plan, data: "TrainingData", record: RunRecord, expected: Expectation | None
) -> None:
    """Say what is trained on, what was chosen and why, what changed since the last session, and what to expect."""
    spec = data.spec
    counts = ", ".join(f"{len(manifest.samples)} {phase}" for phase, manifest in data.manifests.items())
    size = "×".join(str(length) for length in spec.shape)
    classes = f", {spec.num_classes} classes" if spec.num_classes else ""
    channels = counted(spec.num_channels, "channel")
    reporter.say(f"Data: {counts}; {size} voxels, {channels}{classes}", "bold")
    for choice in plan.choices:
        reporter.say(f"  {choice.key}: {choice.value} ({choice.reason})")
    for change in record.sessions[-1].changes:
        reporter.say(f"  changed: {change}")
    for note in plan.notes:
        reporter.say(f"  note: {note}", "dim")
    if expected is not None:
        reporter.say(f"Expected: {expected}", "bold")


def announce_end(reporter: Reporter, record: RunRecord, result: "FitResult") -> None:
    """Say what went wrong on the way, what was spent of a privacy budget, and how the run ended."""
    for finding in result.findings:
        reporter.say(f"Warning: {finding}", "yellow")
    if record.privacy:
        spent, delta, steps = (record.privacy[key] for key in ("epsilon", "delta", "steps"))
        reporter.say(f"Privacy: {steps} steps have spent epsilon {spent} at delta {delta}, for each subject", "bold")
    losses = ", ".join(f"{name} {value:.4f}" for name, value in sorted((result.metrics or record.metrics).items()))
    reporter.say(f"Trained {record.epochs} epochs, {record.steps} steps in {record.seconds:.0f} s: {losses}")
