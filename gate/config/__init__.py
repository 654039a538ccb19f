"""`gate.yaml`: its schema, and loading it with errors that say where and what to write instead."""
