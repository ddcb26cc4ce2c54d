"""Two sets of images → how faithful, diverse, private and useful the synthetic one is, and a page that shows it."""
