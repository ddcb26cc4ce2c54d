"""What lies on disk: images, and the readers and writers of each file format."""
