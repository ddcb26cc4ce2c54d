"""Image quality after equal training time: this project's diffusion beside what a researcher would assemble."""
