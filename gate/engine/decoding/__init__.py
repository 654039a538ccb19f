"""Greedy answers, fast: rows that go forward in lockstep, and drafts of their answers that are checked in one pass.

Whatever is done for speed, an answer is what plain greedy decoding gives, up to ties within rounding: a token is taken
only when the model itself has chosen it. Modules that need torch are imported when a model is there.
"""
