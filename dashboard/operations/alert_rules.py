"""Alert rules as people set them: four kinds, their thresholds, and what a shop begins with."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator
from sqlalchemy import Connection, delete, insert, select, update
from sqlalchemy import Row as LedgerRow

from dashboard.operations import audit
from dashboard.operations.ledger import Ledger, now
from dashboard.operations.tables import ALERT_RULES
from dashboard.operations.views import LOCAL, named
from loaders.errors import RefusedInput

Dimension = Literal["channel", "product", "client", "store", "campaign"]
WEEKS = 4
CONSECUTIVE = 2


class _Windowed(BaseModel):
    """A rule over windows. A window too small to judge grows, up to `longest_h`."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    by: tuple[Dimension, ...] = ("channel",)
    window_min: int = Field(default=15, ge=15, le=1440, multiple_of=15)
    longest_h: int = Field(default=24, ge=1, le=168)

    @property
    def window(self) -> timedelta:
        """The shortest window."""
        return timedelta(minutes=self.window_min)

    @property
    def longest(self) -> timedelta:
        """The longest a window may grow; by then it is given up."""
        return max(self.window, timedelta(hours=self.longest_h))


class SuccessRate(_Windowed):
    """Payments succeed less often than at this time of the last four weeks (METRICS D23)."""

    kind: Literal["success_rate"] = "success_rate"
    by: tuple[Dimension, ...] = ("channel", "product")
    least: int = Field(default=50, ge=20, le=1_000_000)
    fire_pp: float = Field(default=3.0, ge=0, le=100)
    recover_pp: float = Field(default=1.5, ge=0, le=100)
    settle_min: int = Field(default=30, ge=0, le=2880)
    """A window is judged this long after its end: by then its orders had their time."""


class Traffic(_Windowed):
    """Fewer orders than chance explains, given this time of the last four weeks (METRICS D23)."""

    kind: Literal["traffic"] = "traffic"
    least: int = Field(default=20, ge=7, le=1_000_000)
    """A window is judged once so many orders are expected in it."""
    quantile: float = Field(default=0.001, gt=0, lt=0.05)


class Latency(_Windowed):
    """A stage is slower than a bound, or by a factor than at this time of the last four weeks."""

    kind: Literal["latency"] = "latency"
    window_min: int = Field(default=60, ge=60, le=1440, multiple_of=60)
    stage: Literal["channel", "notification", "recognition", "end_to_end"] = "notification"
    percentile: float = Field(default=0.95, ge=0.5, le=0.99)
    least: int = Field(default=100, ge=10, le=1_000_000)
    threshold_s: float | None = Field(default=None, gt=0)
    factor: float = Field(default=3.0, gt=1, le=1000)

    @model_validator(mode="after")
    def _enough_rows(self) -> Latency:
        if self.least * (1 - self.percentile) < 5 - 1e-9:  # METRICS D9
            needed = math.ceil(5 / (1 - self.percentile) - 1e-9)
            raise ValueError(f"this percentile needs at least {needed} rows")
        return self


class Freshness(BaseModel):
    """A source has told nothing for too long."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    kind: Literal["freshness"] = "freshness"
    source: Literal["checkout_log", "notification_log", "trade_bill", "account_bill"]
    older_than_h: float = Field(default=40.0, gt=0, le=8760)


Rule = SuccessRate | Traffic | Latency | Freshness
_RULE: TypeAdapter[Rule] = TypeAdapter(Annotated[Rule, Field(discriminator="kind")])
BEGINNING: tuple[tuple[str, Rule], ...] = (
    ("success-rate", SuccessRate()),
    ("traffic", Traffic()),
    ("notification-latency", Latency()),
    ("checkout-log-age", Freshness(source="checkout_log")),
    ("notification-log-age", Freshness(source="notification_log")),
    ("trade-bill-age", Freshness(source="trade_bill")),
)


@dataclass(frozen=True, slots=True)
class StoredRule:
    """A rule of the shop under its name. `checked_until` is the as-of it was last checked with."""

    id: int
    name: str
    rule: Rule
    is_enabled: bool
    checked_until: datetime | None


def read_rule(parameters: dict[str, Any]) -> Rule:
    """A rule from its parameters. Raises RefusedInput."""
    try:
        return _RULE.validate_python(parameters)
    except ValidationError as error:
        first = error.errors()[0]
        raise RefusedInput(
            "The alert cannot be set so: {key}: {why}.",
            key=".".join(str(part) for part in first["loc"][1:]) or "kind", why=first["msg"],
        ) from None


def rules(ledger: Ledger) -> list[StoredRule]:
    """Every rule of the shop, by name; a shop without a ledger begins with sensible ones."""
    with ledger.reading() as connection:
        found = _rules(connection)
    if found:
        return found
    with ledger.transaction() as connection:
        return _rules(connection) or _begin(connection)


def rule_named(ledger: Ledger, name: str) -> StoredRule:
    """The rule of this name. Raises RefusedInput."""
    found = {item.name: item for item in rules(ledger)}
    if name not in found:
        raise RefusedInput(
            "There is no alert {name}; there are {names}.", name=name, names=", ".join(found)
        )
    return found[name]


def save_rule(
    ledger: Ledger, name: str, rule: Rule, *, is_enabled: bool = True, actor: str = LOCAL
) -> StoredRule:
    """Save a rule; one of that name is replaced and keeps its episodes."""
    wanted = named(name)
    rules(ledger)
    values = {"kind": rule.kind, "parameters": rule.model_dump(mode="json"), "is_enabled": is_enabled}
    with ledger.transaction() as connection:
        row = connection.execute(
            update(ALERT_RULES).where(ALERT_RULES.c.name == wanted).values(values)
            .returning(ALERT_RULES)
        ).first() or connection.execute(
            insert(ALERT_RULES).values(name=wanted, created_at=now(), **values)
            .returning(ALERT_RULES)
        ).one()
        audit.append(ledger, connection, actor, "alert_changed", f"alert {wanted}", **values)
    return _stored(row)


def remove_rule(ledger: Ledger, name: str, *, actor: str = LOCAL) -> None:
    """Delete a rule and its episodes. Raises RefusedInput."""
    rule = rule_named(ledger, name)
    with ledger.transaction() as connection:
        connection.execute(delete(ALERT_RULES).where(ALERT_RULES.c.id == rule.id))
        audit.append(ledger, connection, actor, "alert_changed", f"alert {rule.name}", removed=True)


def _begin(connection: Connection) -> list[StoredRule]:
    for name, rule in BEGINNING:
        connection.execute(
            insert(ALERT_RULES).values(
                name=name, kind=rule.kind, parameters=rule.model_dump(mode="json"),
                is_enabled=True, created_at=now(),
            )
        )
    return _rules(connection)


def _rules(connection: Connection) -> list[StoredRule]:
    rows = connection.execute(select(ALERT_RULES).order_by(ALERT_RULES.c.name)).all()
    return [_stored(row) for row in rows]


def _stored(row: LedgerRow[Any]) -> StoredRule:
    return StoredRule(
        row.id, row.name, read_rule(row.parameters), row.is_enabled, row.checked_until
    )
