"""From a trained model to image files with geometry, units and provenance."""
