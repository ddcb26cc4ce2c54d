"""What the page shows below the verdicts. A new panel is one function in ``PANELS``."""

from gandlf_synth.evaluation.report.panels.distributions import first_order_panel, intensity_panel, spectrum_panel
from gandlf_synth.evaluation.report.panels.feature_map import map_panel
from gandlf_synth.evaluation.report.panels.nearest_training import nearest_training_panel
from gandlf_synth.evaluation.report.panels.panel import BuildPanel, Panel, StoredEvaluation
from gandlf_synth.evaluation.report.panels.quiz import quiz_panel
from gandlf_synth.evaluation.report.panels.realism import realism_panel
from gandlf_synth.evaluation.report.panels.samples import samples_panel
from gandlf_synth.evaluation.report.panels.training import training_panel
from gandlf_synth.evaluation.report.panels.volumes import volumes_panel

PANELS: tuple[BuildPanel, ...] = (
    samples_panel,
    volumes_panel,
    realism_panel,
    quiz_panel,
    nearest_training_panel,
    map_panel,
    intensity_panel,
    spectrum_panel,
    first_order_panel,
    training_panel,
)


def build_panels(stored: StoredEvaluation) -> list[Panel]:
    """Return the panels that have something to show."""
    candidates = [build(stored) for build in PANELS]
    return [panel for panel in candidates if panel is not None]
