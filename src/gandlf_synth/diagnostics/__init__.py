"""Whether the installation works, and where a file comes from."""
