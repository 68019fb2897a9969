"""BG/NBD and Gamma-Gamma: how often buyers come back, whether they still do, and what they spend.

Fader, Hardie and Lee 2005, "Counting Your Customers the Easy Way"; Fader and Hardie 2013, "The
Gamma-Gamma Model of Monetary Value". scipy is imported when first needed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from loaders.errors import RefusedInput

Numbers = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Visits:
    """Buyers' repeat counts, age at the last repeat and age now (one unit of time), and how many."""

    repeats: Numbers
    last: Numbers
    age: Numbers
    buyers: Numbers


@dataclass(frozen=True, slots=True)
class BgNbd:
    """Purchases by a gamma-mixed Poisson process (r, alpha); leaving after each by a beta (a, b)."""

    r: float
    alpha: float
    a: float
    b: float
    log_likelihood: float

    def alive(self, visits: Visits) -> Numbers:
        """The probability that each buyer still buys here."""
        return np.asarray(1 / (1 + self._odds_of_leaving(visits)), dtype=np.float64)

    def expected(self, visits: Visits, ahead: float) -> Numbers:
        """Purchases of each buyer in the time ahead (equation 10 of the paper)."""
        from scipy.special import hyp2f1

        r, alpha, a, b = self.r, self.alpha, self.a, self.b
        x, until = visits.repeats, alpha + visits.age
        shrink = (until / (until + ahead)) ** (r + x)
        series = hyp2f1(r + x, b + x, a + b + x - 1, ahead / (until + ahead))
        made = (a + b + x - 1) / (a - 1) * (1 - shrink * series)
        return np.asarray(made / (1 + self._odds_of_leaving(visits)), dtype=np.float64)

    def _odds_of_leaving(self, visits: Visits) -> Numbers:
        x = visits.repeats
        ratio = (self.alpha + visits.age) / (self.alpha + visits.last)
        odds = self.a / (self.b + np.maximum(x, 1) - 1) * ratio ** (self.r + x)
        return np.where(x > 0, odds, 0.0)


@dataclass(frozen=True, slots=True)
class GammaGamma:
    """Mean spends spread over buyers by a gamma of gammas (p, q, gamma)."""

    p: float
    q: float
    gamma: float

    def expected(self, repeats: Numbers, mean: Numbers) -> Numbers:
        """The mean spend to expect of each buyer; of one without repeats, the overall mean."""
        seen = np.where(repeats > 0, repeats * mean, 0.0)
        return np.asarray(
            self.p * (self.gamma + seen) / (self.p * repeats + self.q - 1), dtype=np.float64
        )


def log_likelihood(logs: Numbers, visits: Visits) -> float:
    """The paper's log-likelihood (equation 6) at the logarithms of r, alpha, a and b."""
    from scipy.special import gammaln

    r, alpha, a, b = np.exp(logs)
    x = visits.repeats
    common = (
        gammaln(r + x) - gammaln(r) + r * np.log(alpha)
        + gammaln(a + b) + gammaln(b + x) - gammaln(b) - gammaln(a + b + x)
    )
    staying = -(r + x) * np.log(alpha + visits.age)
    leaving = np.where(
        x > 0,
        np.log(a) - np.log(b + np.maximum(x, 1) - 1) - (r + x) * np.log(alpha + visits.last),
        -np.inf,
    )
    return float(np.sum(visits.buyers * (common + np.logaddexp(staying, leaving))))


def fit(visits: Visits) -> BgNbd:
    """The parameters under which these visits are likeliest. Raises RefusedInput without one."""
    scale = float(visits.age.max()) / 40
    scaled = Visits(visits.repeats, visits.last / scale, visits.age / scale, visits.buyers)
    logs, value = _likeliest(lambda at: -log_likelihood(at, scaled), 4, float(visits.buyers.sum()))
    r, alpha, a, b = (float(part) for part in np.exp(logs))
    lost = float(np.sum(visits.buyers * visits.repeats)) * np.log(scale)
    return BgNbd(r, alpha * scale, a, b, float(-value - lost))


def fit_spend(repeats: Numbers, mean: Numbers, buyers: Numbers) -> GammaGamma:
    """The spread of mean spends of buyers with repeats. Raises RefusedInput without one."""
    from scipy.special import gammaln

    unit = float(np.average(mean, weights=buyers))
    x, z = repeats, mean / unit

    def loss(logs: Numbers) -> float:
        p, q, gamma = np.exp(logs)
        each = (
            gammaln(p * x + q) - gammaln(p * x) - gammaln(q) + q * np.log(gamma)
            + (p * x - 1) * np.log(z) + p * x * np.log(x) - (p * x + q) * np.log(gamma + x * z)
        )
        return -float(np.sum(buyers * each))

    logs, _ = _likeliest(loss, 3, float(buyers.sum()))
    p, q, gamma = (float(part) for part in np.exp(logs))
    return GammaGamma(p, q, gamma * unit)


def _likeliest(loss: Callable[[Numbers], float], size: int, weight: float) -> tuple[Numbers, float]:
    """Where the loss is least, and the loss there. Raises RefusedInput where the search fails."""
    from scipy.optimize import minimize

    found = minimize(
        lambda at: loss(at) / weight, np.zeros(size), method="L-BFGS-B",
        bounds=[(-9.0, 9.0)] * size, options={"ftol": 1e-13, "gtol": 1e-8, "maxiter": 500},
    )
    if not np.isfinite(found.fun) or np.any(np.abs(found.x) > 8.9):
        raise RefusedInput("The model does not fit these buyers.")
    return found.x, float(found.fun) * weight
