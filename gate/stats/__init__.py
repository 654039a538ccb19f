"""Statistics of paired comparisons: from per-case scores to deltas, intervals and one-sided p-values.

Pure: numbers in, numbers out. No module here reads a file, a clock or a global random state, and none knows
what a rule, a report or a model is. Seeds are arguments.

Distribution functions come from `scipy.special`: importing `scipy.stats` takes longer than `gate check` may.
"""
