"""When a verdict is good, and when bad; every number can be changed from the command line."""

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict

from gandlf_synth.errors import ConfigError, Problem, did_you_mean, listing, raise_if_any


class Thresholds(BaseModel):
    """Pairs of (good up to, bad from); what lies between is worth a look.

    Distances are judged by how far they lie above the floor, which is the same distance between two halves of the
    real images. Shares named ``…_of_floor`` are divided by their floor.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    kid_good: float = 0.02
    """Kernel distance above its floor."""
    kid_bad: float = 0.2
    precision_of_floor_good: float = 0.8
    """Share of synthetic images that lie among the real ones, over the same share for real ones."""
    precision_of_floor_bad: float = 0.5
    spectrum_good: float = 1.0
    """Difference of the power spectra in dB, above the floor."""
    spectrum_bad: float = 3.0
    histogram_good: float = 0.02
    """Difference of the intensity histograms as a share of the range, above the floor."""
    histogram_bad: float = 0.08
    texture_good: float = 0.3
    """Mean difference of first-order and texture features in standard deviations, above the floor."""
    texture_bad: float = 1.0
    recall_of_floor_good: float = 0.8
    """Share of real images that lie among the synthetic ones, over the same share for real ones."""
    recall_of_floor_bad: float = 0.5
    coverage_of_floor_good: float = 0.8
    """Share of real images with a synthetic one in their neighbourhood, over the same share for real ones."""
    coverage_of_floor_bad: float = 0.5
    likeness_good: float = 0.05
    """MS-SSIM between synthetic images above that between real ones."""
    likeness_bad: float = 0.15
    duplicates_good: float = 0.02
    """Share of synthetic images that are like another one as only few real ones are, above the real share."""
    duplicates_bad: float = 0.10
    false_alarm: float = 0.01
    """Share of held-out real images that may be taken for copies."""
    copies_good: float = 0.01
    """Share of synthetic images that are copies of training images, above the false alarms."""
    copies_bad: float = 0.05
    membership_good: float = 0.55
    """Area under the curve of an attack that guesses who was in the training data; 0.5 is a coin."""
    membership_bad: float = 0.65
    usefulness_good: float = 0.9
    """Balanced accuracy of a classifier trained on synthetic images, over that of one trained on real ones."""
    usefulness_bad: float = 0.7


def thresholds_of(values: Sequence[str]) -> Thresholds:
    """Return the thresholds that texts such as ``kid_good=0.05`` change.

    Raises:
        ConfigError: every unknown name and every value that is not a number.
    """
    given: dict[str, float] = {}
    problems = []
    for value in values:
        name, _, number = value.partition("=")
        try:
            given[name] = float(number)
        except ValueError:
            problems.append(Problem("--threshold", f"{value!r} is not valid", "NAME=NUMBER, such as kid_good=0.05"))
        if name not in Thresholds.model_fields:
            known = list(Thresholds.model_fields)
            problems.append(Problem("--threshold", f"unknown name {name!r}", listing(known), did_you_mean(name, known)))
    raise_if_any(problems, ConfigError)
    return Thresholds(**given)
