"""The layouts in which trained weights come, one adapter each; registered in the group ``weight_adapters``."""
