"""Other frameworks' components under their own prefix, such as ``gandlf:adamw``; the entry-point group ``bridges``."""
