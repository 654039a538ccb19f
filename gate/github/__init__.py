"""GitHub: what started the run, the REST API, and the runner's files and commands. It knows no model and no rule."""
