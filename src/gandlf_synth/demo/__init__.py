"""The main job on real images that a package ships, in minutes and without a network."""
