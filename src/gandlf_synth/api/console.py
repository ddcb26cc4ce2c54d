"""Where functions show progress when the caller gives no console."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console


def silent() -> "Console":
    """Return a console that shows nothing."""
    from rich.console import Console

    return Console(quiet=True)
