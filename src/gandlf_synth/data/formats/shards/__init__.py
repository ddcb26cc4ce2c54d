"""The sharded store: prepared images in a few large files, with one index, in a folder or in an object store."""
