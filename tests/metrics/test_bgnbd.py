"""The lifetime models against the published numbers, the defining integral and planted parameters."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dashboard.metrics.bgnbd import BgNbd, GammaGamma, Visits, fit, fit_spend, log_likelihood
from loaders.errors import RefusedInput

PUBLISHED = BgNbd(r=0.243, alpha=4.414, a=0.793, b=2.426, log_likelihood=-9582.4)


def one(repeats: float, last: float, age: float) -> Visits:
    values = (repeats, last, age, 1.0)
    return Visits(*(np.array([value]) for value in values))


def test_the_papers_example_buyer() -> None:
    """Fader, Hardie and Lee 2005: x = 2, t_x = 30.43, T = 38.86 is expected to buy 1.226 times."""
    assert PUBLISHED.expected(one(2, 30.43, 38.86), 39.0)[0] == pytest.approx(1.226, abs=5e-4)


def test_the_published_fit_of_the_cdnow_data() -> None:
    """r = 0.243, alpha = 4.414, a = 0.793, b = 2.426, log-likelihood -9582.4 (in weeks).

    cdnow.csv counts the published one-tenth sample of CDNOW's customers by their repeats and days:
    research data of Fader, Hardie and Lee, taken from the MIT-licensed package lifetimes; no person
    or single purchase stands in it.
    """
    rows = np.loadtxt(Path(__file__).with_name("cdnow.csv"), delimiter=",", comments=["#", "r"])
    assert rows[:, 3].sum() == 2357
    visits = Visits(rows[:, 0], rows[:, 1] / 7, rows[:, 2] / 7, rows[:, 3])
    model = fit(visits)
    found = (model.r, model.alpha, model.a, model.b)
    wanted = (PUBLISHED.r, PUBLISHED.alpha, PUBLISHED.a, PUBLISHED.b)
    assert found == pytest.approx(wanted, abs=6e-4)
    assert model.log_likelihood == pytest.approx(-9582.4, abs=0.1)
    assert log_likelihood(np.log(wanted), visits) <= model.log_likelihood


@pytest.mark.parametrize(("x", "last", "age"), [(0, 0.0, 38.86), (2, 30.43, 38.86), (5, 9.0, 30.0)])
def test_the_likelihood_is_the_integral_it_stands_for(x: int, last: float, age: float) -> None:
    """Equation 3 of the paper averaged over the buyers' rates and chances of leaving."""
    from scipy.integrate import dblquad
    from scipy.stats import beta, gamma

    r, alpha, a, b = 1.4, 4.0, 2.0, 3.0

    def each(p: float, rate: float) -> float:
        stay = (1 - p) ** x * rate**x * np.exp(-rate * age)
        leave = p * (1 - p) ** (x - 1) * rate**x * np.exp(-rate * last) if x else 0.0
        density = gamma.pdf(rate, r, scale=1 / alpha) * beta.pdf(p, a, b)
        return float((stay + leave) * density)

    whole, _ = dblquad(each, 0, 12, 0, 1, epsabs=1e-13)
    found = log_likelihood(np.log([r, alpha, a, b]), one(x, last, age))
    assert found == pytest.approx(np.log(whole), abs=1e-5)


def planted(buyers: int, seed: int = 5) -> Visits:
    """Buyers who buy and leave as the model says, with r = 0.8, alpha = 12, a = 0.9, b = 2.5."""
    draw = np.random.default_rng(seed)
    rate, leave = draw.gamma(0.8, 1 / 12, buyers), draw.beta(0.9, 2.5, buyers)
    age = draw.uniform(20, 60, buyers)
    repeats, last = np.zeros(buyers), np.zeros(buyers)
    for at in range(buyers):
        moment = draw.exponential(1 / rate[at])
        while moment <= age[at]:
            repeats[at], last[at] = repeats[at] + 1, moment
            if draw.random() < leave[at]:
                break
            moment += draw.exponential(1 / rate[at])
    return Visits(repeats, last, age, np.ones(buyers))


def test_planted_parameters_are_found_again() -> None:
    visits = planted(12_000)
    model = fit(visits)
    truth = BgNbd(0.8, 12.0, 0.9, 2.5, 0.0)
    assert model.r == pytest.approx(0.8, rel=0.12)
    assert model.alpha == pytest.approx(12, rel=0.15)
    assert model.a / (model.a + model.b) == pytest.approx(0.9 / 3.4, rel=0.12)
    assert model.log_likelihood >= log_likelihood(np.log([0.8, 12, 0.9, 2.5]), visits)
    ours, theirs = (float(each.expected(visits, 20).sum()) for each in (model, truth))
    assert ours == pytest.approx(theirs, rel=0.05)


def test_the_unit_of_time_does_not_matter() -> None:
    weeks = planted(3_000)
    days = Visits(weeks.repeats, weeks.last * 7, weeks.age * 7, weeks.buyers)
    by_week, by_day = fit(weeks), fit(days)
    assert by_day.alpha == pytest.approx(7 * by_week.alpha, rel=1e-3)
    assert by_day.expected(days, 70).sum() == pytest.approx(by_week.expected(weeks, 10).sum(), rel=1e-3)
    logs = np.log([by_day.r, by_day.alpha, by_day.a, by_day.b])
    assert by_day.log_likelihood == pytest.approx(log_likelihood(logs, days), rel=1e-6)


def test_equal_buyers_may_stand_together() -> None:
    visits = planted(2_000)
    twice = Visits(*(np.concatenate([part, part]) for part in
                     (visits.repeats, visits.last, visits.age, visits.buyers)))
    heavy = Visits(visits.repeats, visits.last, visits.age, 2 * visits.buyers)
    assert fit(twice).alpha == pytest.approx(fit(heavy).alpha, rel=1e-6)


def test_who_buys_often_and_then_not_has_left() -> None:
    alive = [float(PUBLISHED.alive(one(*buyer))[0])
             for buyer in ((0, 0, 38.0), (6, 37.0, 38.0), (6, 10.0, 38.0))]
    assert alive[0] == 1.0
    assert alive[1] > 0.7 > 0.1 > alive[2]


def test_planted_spend_is_found_again() -> None:
    draw = np.random.default_rng(9)
    buyers = 20_000
    repeats = draw.integers(1, 6, buyers).astype(float)
    scale = draw.gamma(4.0, 1 / 1500, buyers)
    mean = np.array([draw.gamma(6.0 * x, 1 / (x * s)) for x, s in zip(repeats, scale, strict=True)])
    found = fit_spend(repeats, mean, np.ones(buyers))
    expected = 6.0 * 1500 / 3.0
    assert found.p * found.gamma / (found.q - 1) == pytest.approx(expected, rel=0.04)
    assert found.q == pytest.approx(4.0, rel=0.1)
    told = GammaGamma(6.0, 4.0, 1500.0).expected(np.array([0.0, 3.0]), np.array([0.0, 9000.0]))
    assert told[0] == pytest.approx(expected)
    assert told[1] == pytest.approx(6 * (1500 + 27_000) / 21)


def test_buyers_without_any_repeat_have_no_model() -> None:
    visits = Visits(np.zeros(50), np.zeros(50), np.full(50, 30.0), np.ones(50))
    with pytest.raises(RefusedInput):
        fit(visits)
