"""Talking to the world outside: git."""
