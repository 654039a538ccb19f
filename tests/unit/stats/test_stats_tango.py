import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gate.stats.tango import loss_rate, tango_interval, tango_score


@pytest.mark.parametrize(
    ("gains", "losses", "n", "delta0"),
    [(3, 7, 40, -0.05), (7, 3, 40, 0.1), (0, 5, 30, -0.02), (5, 0, 30, -0.3), (12, 12, 60, 0.2)],
)
def test_loss_rate__maximises_the_constrained_likelihood(gains: int, losses: int, n: int, delta0: float) -> None:
    rates = np.linspace(max(0.0, -delta0) + 1e-9, (1 - delta0) / 2 - 1e-9, 200_001)
    log_likelihood = (
        gains * np.log(rates + delta0) + losses * np.log(rates) + (n - gains - losses) * np.log1p(-2 * rates - delta0)
    )
    best = rates[np.argmax(log_likelihood)]
    assert float(loss_rate(gains, losses, n, delta0=delta0)) == pytest.approx(best, abs=1e-5)


def test_tango_score__no_flips_at_zero_is_zero() -> None:
    assert float(tango_score(0, 0, 50, delta0=0.0)) == 0.0


@pytest.mark.parametrize("delta0", [-0.3, -0.02, 0.0, 0.05])
def test_tango_score__monotone_in_gains_and_losses(delta0: float) -> None:
    n = 25
    counts = np.arange(n + 1)
    scores = tango_score(counts[:, None], counts[None, :], n, delta0=delta0)
    possible = counts[:, None] + counts[None, :] <= n
    more_gains = possible[1:, :]
    more_losses = possible[:, 1:]
    assert np.all((scores[1:, :] >= scores[:-1, :] - 1e-9)[more_gains])
    assert np.all((scores[:, 1:] <= scores[:, :-1] + 1e-9)[more_losses])


@settings(deadline=None, max_examples=60, derandomize=True)
@given(st.integers(1, 400), st.data())
def test_tango_interval__covers_the_estimate_and_mirrors(n: int, data: st.DataObject) -> None:
    gains = data.draw(st.integers(0, n))
    losses = data.draw(st.integers(0, n - gains))
    low, high = tango_interval(gains, losses, n, alpha=0.05)
    assert -1 <= low <= (gains - losses) / n <= high <= 1
    assert tango_interval(losses, gains, n, alpha=0.05) == (-high, -low)


@pytest.mark.parametrize(("gains", "losses", "expected"), [(5, 0, 1.0), (0, 5, -1.0)])
def test_tango_interval__all_pairs_flip_one_way(gains: int, losses: int, expected: float) -> None:
    assert expected in tango_interval(gains, losses, 5, alpha=0.05)
