"""What a person looks at: views of images, contact sheets, progress."""

from gandlf_synth.display.planes import View, views
from gandlf_synth.display.sheet import SheetRow, contact_sheet, save_png, sized

__all__ = ["SheetRow", "View", "contact_sheet", "save_png", "sized", "views"]
