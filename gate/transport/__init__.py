"""Talking to the world outside: git, HTTP, and the store of answers."""
