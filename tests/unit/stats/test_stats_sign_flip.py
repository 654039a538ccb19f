import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gate.stats.sign_flip import DRAWS, EXACT_MAX_NONZERO, sign_flip_drop


def test_sign_flip_drop__nothing_differs() -> None:
    assert sign_flip_drop(np.zeros(30), seed=0) == 1.0


def test_sign_flip_drop__equals_enumeration() -> None:
    differences = np.array([0.3, -0.5, 0.0, -0.2, 0.2, -0.7])
    patterns = itertools.product([-1, 1], repeat=6)
    share = np.mean([np.dot(signs, np.abs(differences)) <= differences.sum() + 1e-9 for signs in patterns])
    assert sign_flip_drop(differences, seed=0) == pytest.approx(share)


def test_sign_flip_drop__ties_in_floating_point() -> None:
    # 0.1 + 0.2 is not 0.3 in binary: the pattern that reverses all three must still count as a tie.
    assert sign_flip_drop(np.array([-0.1, -0.2, 0.3]), seed=0) == pytest.approx(5 / 8)


def test_sign_flip_drop__many_differences_are_drawn_and_never_zero() -> None:
    losses = np.full(EXACT_MAX_NONZERO + 40, -0.5)
    assert sign_flip_drop(losses, seed=1) == 1 / (DRAWS + 1)
    assert sign_flip_drop(-losses, seed=1) == 1.0


def test_sign_flip_drop__drawn_close_to_exact() -> None:
    rng = np.random.default_rng(3)
    few = rng.normal(-0.1, 0.4, EXACT_MAX_NONZERO)
    exact = sign_flip_drop(few, seed=0)
    # Two more values far too small to matter force the random version.
    drawn = sign_flip_drop(np.concatenate([few, [1e-6, -1e-6]]), seed=0)
    assert drawn == pytest.approx(exact, abs=0.015)


@settings(deadline=None, max_examples=30, derandomize=True)
@given(st.lists(st.sampled_from([-1.0, -0.5, -0.25, 0.0, 0.25, 0.5, 1.0]), min_size=1, max_size=30))
def test_sign_flip_drop__order_is_irrelevant(values: list[float]) -> None:
    shuffled = sorted(values)
    assert sign_flip_drop(np.array(values), seed=5) == sign_flip_drop(np.array(shuffled), seed=5)
