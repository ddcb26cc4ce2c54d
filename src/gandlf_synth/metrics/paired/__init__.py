"""How near a reconstruction is to its original; one file per kind of metric, by GaNDLF's names."""
