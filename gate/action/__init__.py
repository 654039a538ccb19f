"""The steps of the GitHub Action: what is judged, by which configuration, and what each step may see."""
