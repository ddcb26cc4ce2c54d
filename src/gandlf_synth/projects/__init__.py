"""New projects: from a folder of images to a CSV and a commented YAML that trains as it is."""
