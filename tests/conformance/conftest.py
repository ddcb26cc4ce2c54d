"""Room for components that break their promises."""

import pytest

from gandlf_synth import registry


@pytest.fixture
def plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget after the test what it registers."""
    monkeypatch.setattr(registry, "_registered", {})
