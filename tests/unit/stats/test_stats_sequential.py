import math
from functools import cache

import numpy as np
import pytest
from scipy.special import ndtr
from scipy.stats import multinomial

from gate.stats.binary import p_noninferior, p_regression
from gate.stats.sequential import Look, anytime_p, hybrid_p, is_futile

STAKES = (0.02, 0.04, 0.06, 0.09, 0.13, 0.18, 0.25, 0.34, 0.45, 0.58, 0.72, 0.86)


def expectation(n: int, rates: tuple[float, float], margin: float, *, regression: bool) -> float:
    """Mean of the e-value over every table of n pairs."""
    gain, loss = rates
    total = 0.0
    for gains in range(n + 1):
        for losses in range(n + 1 - gains):
            look = Look.of_counts(gains, losses, n)
            log_e = look.log_e_regression(margin) if regression else look.log_e_noninferior(margin)
            shares = np.clip([gain, loss, 1 - gain - loss], 0, 1)
            total += float(multinomial.pmf([gains, losses, n - gains - losses], n, shares)) * math.exp(log_e)
    return total


@pytest.mark.parametrize("margin", [0.0, 0.02, 0.3, -0.05])
@pytest.mark.parametrize("n", [0, 1, 2, 7])
def test_look__the_e_values_mean_is_1_at_the_margin_and_no_more_beyond(n: int, margin: float) -> None:
    for loss in (0.35, 0.5):
        rates = (loss - margin, loss)
        if sum(rates) > 1:
            rates = ((1 - margin) / 2, (1 + margin) / 2)
        for regression in (True, False):
            assert expectation(n, rates, margin, regression=regression) == pytest.approx(1, abs=1e-12)
        assert expectation(n, (rates[0], rates[1] / 2), margin, regression=True) <= 1 + 1e-12
        assert expectation(n, (rates[0] / 2, rates[1]), margin, regression=False) <= 1 + 1e-12


@pytest.mark.parametrize(("gains", "losses", "n", "margin"), [(3, 9, 40, 0.02), (12, 1, 30, 0.0), (2, 2, 9, -0.1)])
def test_look__wealth_is_the_mean_product_of_the_written_formula(
    gains: int, losses: int, n: int, margin: float
) -> None:
    ties, m = n - gains - losses, margin
    down = [g / (1 + m) for g in STAKES]
    wealth = [(1 - s * (1 + m)) ** gains * (1 - s * m) ** ties * (1 + s * (1 - m)) ** losses for s in down]
    look = Look.of_counts(gains, losses, n)
    assert math.exp(look.log_e_regression(margin)) == pytest.approx(float(np.mean(wealth)))
    up = [g / (1 - m) for g in STAKES]
    wealth = [(1 + s * (1 + m)) ** gains * (1 + s * m) ** ties * (1 - s * (1 - m)) ** losses for s in up]
    assert math.exp(look.log_e_noninferior(margin)) == pytest.approx(float(np.mean(wealth)))


def test_look__differences_give_what_counts_give_in_any_order() -> None:
    differences = np.array([1.0] * 4 + [-1.0] * 9 + [0.0] * 31)
    counted = Look.of_counts(4, 9, 44)
    for seed in range(5):
        seen = Look.of_differences(np.random.default_rng(seed).permutation(differences))
        assert seen.n == counted.n == 44
        assert seen.log_e_regression(0.02) == counted.log_e_regression(0.02)
        assert seen.log_e_noninferior(0.02) == counted.log_e_noninferior(0.02)


def test_look__bounded_differences_multiply_case_by_case() -> None:
    differences = np.array([-0.5, 0.25, -1.0, -0.5, 0.0, 1 / 3])
    wealth = [math.prod(1 - g / 1.1 * (d + 0.1) for d in differences) for g in STAKES]
    assert Look.of_differences(differences).log_e_regression(0.1) == pytest.approx(math.log(np.mean(wealth)))


def test_look__bounded_differences_keep_the_mean_of_1() -> None:
    # The margin is the mean of the three values; all sequences of five are enumerated.
    values, chances = np.array([-0.8, 0.1, 0.5]), np.array([0.3, 0.4, 0.3])
    margin = -float(values @ chances)
    total_down = total_up = 0.0
    for pattern in np.ndindex(3, 3, 3, 3, 3):
        look, chance = Look.of_differences(values[list(pattern)]), float(np.prod(chances[list(pattern)]))
        total_down += chance * math.exp(look.log_e_regression(margin))
        total_up += chance * math.exp(look.log_e_noninferior(margin))
    assert (total_down, total_up) == pytest.approx((1.0, 1.0))


def test_look__swapping_the_arms_swaps_the_directions() -> None:
    for margin in (0.0, 0.04, -0.04):
        found = Look.of_counts(5, 11, 60).log_e_regression(margin)
        assert Look.of_counts(11, 5, 60).log_e_noninferior(-margin) == pytest.approx(found)


def test_look__more_losses_speak_more_for_a_drop() -> None:
    for gains in (0, 5):
        downs = [Look.of_counts(gains, losses, 60).log_e_regression(0.02) for losses in range(55)]
        ups = [Look.of_counts(gains, losses, 60).log_e_noninferior(0.02) for losses in range(55)]
        assert all(np.diff(downs) > 0)
        assert all(np.diff(ups) < 0)
    margins = [Look.of_counts(3, 20, 100).log_e_regression(margin) for margin in (-0.02, 0.0, 0.02, 0.05, 0.1)]
    assert all(np.diff(margins) < 0)


def test_look__whole_suites_do_not_overflow() -> None:
    found = Look.of_counts(0, 20_000, 20_000).log_e_regression(0.0)
    assert found == pytest.approx(20_000 * math.log(1.86) - math.log(12))
    assert hybrid_p([found], p_final=None) == 0.0
    assert hybrid_p([-1e5], p_final=None) == 1.0


def test_look__refuses_what_cannot_be() -> None:
    for gains, losses, n in ((-1, 0, 5), (3, 3, 5), (0, -1, 5)):
        with pytest.raises(ValueError, match="do not fit"):
            Look.of_counts(gains, losses, n)
    for value in (1.5, -1.1, math.nan):
        with pytest.raises(ValueError, match="in \\[-1, 1\\]"):
            Look.of_differences(np.array([0.0, value]))
    for margin in (1.0, -1.0, math.nan):
        with pytest.raises(ValueError, match="margin"):
            Look.of_counts(0, 0, 1).log_e_regression(margin)
        with pytest.raises(ValueError, match="margin"):
            Look.of_counts(0, 0, 1).log_e_noninferior(margin)


def test_anytime_p__reaches_alpha_exactly_at_its_threshold() -> None:
    assert anytime_p(math.log(100)) == pytest.approx(0.05)
    assert anytime_p(math.log(100 * 7)) == pytest.approx(0.05 / 7)
    assert anytime_p(0.0) == anytime_p(-3.0) == anytime_p(math.log(5) - 1e-9) == 1.0


def test_hybrid_p__is_the_decision_at_alpha() -> None:
    for log_e in (math.log(99.9), math.log(100.1)):
        for p_final in (None, 0.0399, 0.0401, 1.0):
            stops, proves = log_e >= math.log(100), p_final is not None and p_final <= 0.04
            assert (hybrid_p([0.0, log_e, -2.0], p_final=p_final) <= 0.05) == (stops or proves)
    assert hybrid_p([], p_final=0.02) == pytest.approx(0.025)
    assert hybrid_p([], p_final=None) == 1.0
    assert hybrid_p([0.0], p_final=1.0) == 1.0


def simulated(rng: np.random.Generator, gain: float, loss: float, *, steps: int) -> list[tuple[int, int]]:
    """Gains and losses so far, after every case."""
    draws = rng.random(steps)
    return list(zip(np.cumsum(draws < gain), np.cumsum(draws >= 1 - loss), strict=True))


def test_ville__peeking_after_every_case_stays_below_the_level() -> None:
    rng, repeats, margin, level = np.random.default_rng(0), 400, 0.02, 0.1
    crossed = {"regression": 0, "noninferior": 0}
    for _ in range(repeats):
        path = simulated(rng, 0.09, 0.11, steps=60)
        looks = [Look.of_counts(int(b), int(c), t) for t, (b, c) in enumerate(path, start=1)]
        crossed["regression"] += max(look.log_e_regression(margin) for look in looks) >= -math.log(level)
        crossed["noninferior"] += max(look.log_e_noninferior(margin) for look in looks) >= -math.log(level)
    # At the level itself the standard error would be 0.015.
    for crossings in crossed.values():
        assert 0.005 < crossings / repeats < level + 0.03


@cache
def final_p(gains: int, losses: int, n: int, margin: float) -> tuple[float, float]:
    return p_regression(gains, losses, n, margin=margin), p_noninferior(gains, losses, n, margin=margin)


def test_hybrid__error_rates_at_the_margin_with_a_look_every_25_cases() -> None:
    rng, repeats, n, margin, alpha = np.random.default_rng(1), 800, 200, 0.02, 0.05
    fails = passes = 0
    for _ in range(repeats):
        path = simulated(rng, 0.04, 0.06, steps=n)
        looks = [Look.of_counts(int(path[t - 1][0]), int(path[t - 1][1]), t) for t in range(25, n + 1, 25)]
        final = final_p(int(path[-1][0]), int(path[-1][1]), n, margin)
        fails += hybrid_p([look.log_e_regression(margin) for look in looks], p_final=final[0]) <= alpha
        passes += hybrid_p([look.log_e_noninferior(margin) for look in looks], p_final=final[1]) <= alpha
    # Enumerated over all paths: 0.025 and 0.036, with a standard error of 0.006 here.
    assert 0.01 < fails / repeats <= alpha
    assert 0.02 < passes / repeats <= alpha + 0.005


def test_hybrid__a_disaster_ends_long_before_the_last_case() -> None:
    rng, ends = np.random.default_rng(2), []
    for _ in range(100):
        path = simulated(rng, 0.05, 0.25, steps=500)
        stops = (
            t
            for t in range(25, 501, 25)
            if anytime_p(Look.of_counts(*map(int, path[t - 1]), t).log_e_regression(0.02)) <= 0.05
        )
        ends.append(next(stops, 500))
    assert np.mean(ends) < 200


def chance_of_failing(gains: int, losses: int, seen: int, total: int, margin: float) -> float:
    psi = (gains + losses + 1) / (seen + 2)
    score, left, drop = gains - losses + seen * margin, total - seen, margin + 0.05
    return float(ndtr((-1.6448536 * math.sqrt(total * psi) - score - left * (margin - drop)) / math.sqrt(left * psi)))


def test_is_futile__is_the_written_formula() -> None:
    answers = set()
    for gains, losses in ((10, 2), (5, 5), (4, 14), (0, 0), (8, 6), (6, 8)):
        for seen in (50, 150, 400):
            expected = chance_of_failing(gains, losses, seen, 500, 0.02) < 0.1
            assert is_futile(Look.of_counts(gains, losses, seen), total=500, margin=0.02, alpha=0.05) == expected
            answers.add(expected)
    assert answers == {True, False}


def test_is_futile__never_too_early_nor_at_the_end() -> None:
    assert not is_futile(Look.of_counts(30, 0, 49), total=500, margin=0.02, alpha=0.05)
    assert is_futile(Look.of_counts(30, 0, 50), total=500, margin=0.02, alpha=0.05)
    assert not is_futile(Look.of_counts(30, 0, 500), total=500, margin=0.02, alpha=0.05)
    with pytest.raises(ValueError, match="planned"):
        is_futile(Look.of_counts(0, 0, 20), total=10, margin=0.02, alpha=0.05)
