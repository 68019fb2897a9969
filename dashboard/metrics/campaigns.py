"""Campaigns: what they did for conversion, order value and new buyers, and what they gave away."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from dashboard.metrics.buyers import buyer_sql, knows_buyers, span
from dashboard.metrics.catalogue import Asked, Metric, filled, sql
from dashboard.metrics.intervals import ratio, wilson
from dashboard.metrics.question import TIME_DIMENSIONS, Question
from dashboard.metrics.standard import Counted, Difference, difference, matched, standing, together
from loaders.store.reader import Row

BEFORE = timedelta(days=28)
LOW_SHARE = 0.5
"""A campaign that finds orders to compare with for a smaller share of its own is named."""
_NAMED = 5
_PURCHASE = (
    "(created_at, product, client, store, campaign, channel, first_attempt, first_reason, is_holdout,"
    " consent)"
)
EFFECTS = {
    "uplift": Counted("matured", "paid"),
    "value_uplift_fen": Counted("paid", "paid_fen", "paid_squares"),
    "new_uplift": Counted("purchases", "new_buyers"),
    "discount_order_fen": Counted("known_off", "off_fen", "off_squares"),
}
"""Each effect, and the mean whose difference it is."""
SIDES = ("", "holdout_")
"""An effect against the orders of the four weeks before, and against the hold-out group."""
Group = tuple[Any, ...]
Cell = tuple[int, str | None, str | None]
"""Hour of the week, product and client."""
Cells = defaultdict[Cell, Counter[str]]


@dataclass(slots=True)
class _Found:
    """The campaigns' cells by dimensions, campaign and group; other orders' sums by dimensions, hour."""

    own: dict[Group, Cells] = field(default_factory=lambda: defaultdict(_cells))
    others: dict[Group, dict[datetime, Cells]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(_cells))
    )

    def take(self, rows: Iterable[Row], by: Sequence[str]) -> None:
        """Add these rows of either query."""
        lasting = [name for name in by if name not in TIME_DIMENSIONS]
        for row in rows:
            dims = {name: row.pop(name) for name in by}
            campaign, is_holdout, hour = (
                row.pop(name) for name in ("campaign", "is_holdout", "at_hour")
            )
            cell = row.pop("slot"), row.pop("cell_product"), row.pop("cell_client")
            if hour is None:
                self.own[(*dims.values(), campaign, is_holdout)][cell].update(row)
            else:
                self.others[tuple(dims[name] for name in lasting)][hour][cell].update(row)

    def before(self, dims: Group, begun: datetime) -> Cells:
        """Orders of no campaign in the four weeks before that hour."""
        total = _cells()
        for hour, cells in self.others.get(dims, {}).items():
            if begun - BEFORE <= hour < begun:
                for cell, sums in cells.items():
                    total[cell].update(sums)
        return total


def _cells() -> Cells:
    return defaultdict(Counter)


def effect_fields(name: str, side: str = "") -> tuple[str, str, str, str]:
    """Fields of an effect: itself, its bounds, and whether it is more than chance (None: too few)."""
    stem, tail = name.removesuffix("_fen"), "_fen" if name.endswith("_fen") else ""
    return (f"{side}{name}", f"{side}{stem}_low{tail}", f"{side}{stem}_high{tail}",
            f"{side}{stem}_sure")


def judged(rows: Iterable[Row]) -> list[Row]:
    """The rows without effects of too few orders to judge."""
    told = []
    for row in rows:
        fields = [effect_fields(name, side) for name in EFFECTS for side in SIDES]
        told.append(row | {name: None for names in fields if row[names[-1]] is None for name in names})
    return told


def _answer(asked: Asked) -> list[Row]:
    if "checkout_log" not in asked.loaded or not asked.knows_payments:
        return []
    by = tuple(name for name in asked.question.by if name != "campaign")
    begun = {row["campaign"]: row for row in asked.rows(sql("campaign_starts"))}
    found = _counted(asked, by, begun)
    lasting = [at for at, name in enumerate(by) if name not in TIME_DIMENSIONS]
    kept: dict[tuple[Group, datetime], Cells] = {}
    rows, told = [], []
    for key in sorted({key[:-1] for key in found.own}, key=str):
        start, dims = begun[key[-1]], tuple(key[at] for at in lasting)
        place = dims, start["begun"]
        before = kept.get(place) or kept.setdefault(place, found.before(*place))
        mine, held = (found.own.get((*key, is_held), _cells()) for is_held in (False, True))
        row, effects = _effects(mine, before, held)
        named = dict(zip((*by, "campaign"), key, strict=True)) | {"begun_at": start["begun_at"]}
        rows.append(named | _own(mine) | row)
        told.append(effects)
    _mark(rows, told)
    _notes(asked, rows)
    return sorted(rows, key=lambda row: (-row["orders"], row["campaign"]))


def _counted(asked: Asked, by: tuple[str, ...], begun: dict[str, Row]) -> _Found:
    """Orders of the period with a campaign, and orders without one in the weeks before each."""
    question, found = asked.question, _Found()
    every = Question(question.first_day, question.last_day, by, question.where)
    others = {name: wanted for name, wanted in question.where.items() if name != "campaign"}
    plain = Question(question.first_day, question.last_day, by, others)
    dims = every.dims("shop_time(created_at)")
    found.take(asked.rows(filled("campaigns", every, dims=dims, hour="null::timestamp",
                                 chosen="campaign is not null")), by)
    spans = _joined(begun[campaign]["begun"] for campaign in {key[-2] for key in found.own})
    before = filled("campaigns", plain, dims=dims, hour="shop_hour(created_at)",
                    chosen="campaign is null")
    for first, end in spans:
        found.take(asked.rows(before, first_hour=first, last_hour=end - timedelta(hours=1)), by)
    known = span(asked) if knows_buyers(asked) and found.own else None
    if known is not None:
        text = buyer_sql(
            "campaign_buyers", every, dims=every.dims("shop_time(chosen.created_at)", "chosen."),
            filters=every.filters("bought."), filters_before=plain.filters("bought."),
            purchase=_PURCHASE,
        )
        found.take(asked.rows(text, new_from=known.new_from, begins=[first for first, _ in spans],
                              ends=[end for _, end in spans]), by)
    return found


def _joined(starts: Iterable[datetime]) -> list[tuple[datetime, datetime]]:
    """The four weeks before each start, those that overlap as one: no order is read twice."""
    spans: list[tuple[datetime, datetime]] = []
    for start in sorted(set(starts)):
        first = start - BEFORE
        if spans and first <= spans[-1][1]:
            first = spans.pop()[0]
        spans.append((first, start))
    return spans


def _sum(cells: Cells) -> Counter[str]:
    total: Counter[str] = Counter()
    for cell in cells.values():
        total.update(cell)
    return total


def _own(cells: Cells) -> Row:
    mine = _sum(cells)
    low, high = wilson(mine["paid"], mine["matured"])
    return {
        "orders": mine["orders"], "matured": mine["matured"], "paid": mine["paid"],
        "rate": ratio(mine["paid"], mine["matured"]), "low": low, "high": high,
        "paid_fen": mine["paid_fen"], "discount_fen": mine["off_fen"] if mine["known_off"] else None,
        "unbilled": mine["paid"] - mine["known_off"],
        "average_order_fen": mine["paid_fen"] // mine["paid"] if mine["paid"] else None,
        "new_buyers": mine["new_buyers"], "new_rate": ratio(mine["new_buyers"], mine["purchases"]),
    }


def _effects(
    mine: Cells, before: Cells, held: Cells
) -> tuple[Row, dict[str, Difference | None]]:
    """What was compared with what, and each effect by its field."""
    row: Row = {"matched_orders": 0, "matched_share": None, "holdout_orders": _sum(held)["matured"]}
    found: dict[str, Difference | None] = {}
    for name, counted in EFFECTS.items():
        ours, kept_out = together(mine, counted), together(held, counted)
        pair = matched(mine, before, counted)
        found[name] = difference(pair.ours, pair.earlier, counted) if pair else None
        found[f"holdout_{name}"] = difference(ours, kept_out, counted) if ours and kept_out else None
        if name == "uplift":
            row["holdout_rate"] = kept_out.mean if kept_out else None
            if ours:
                row["matched_share"] = pair.ours.size / ours.size if pair else 0.0
            if pair:
                row |= {
                    "matched_orders": round(pair.ours.size), "matched_rate": pair.ours.mean,
                    "compared_orders": pair.orders, "compared_size": pair.earlier.size,
                    "compared_rate": pair.earlier.mean,
                }
    return row, found


def _mark(rows: list[Row], told: Sequence[dict[str, Difference | None]]) -> None:
    """Put each effect into its row, and whether it stands among all of its kind (D22)."""
    for side in SIDES:
        for name in EFFECTS:
            found = [effects[f"{side}{name}"] for effects in told]
            for row, item, is_sure in zip(rows, found, standing(found), strict=True):
                if item is not None:
                    is_money = name.endswith("_fen")
                    ends = (round(end) if is_money else end
                            for end in (item.value, item.low, item.high))
                    row |= dict(zip(effect_fields(name, side), (*ends, is_sure), strict=True))


def _notes(asked: Asked, rows: list[Row]) -> None:
    none = _names(row for row in rows if row["matured"] and not row["matched_orders"])
    few = _names(row for row in rows if 0 < (row["matched_share"] or 0) < LOW_SHARE)
    if none:
        asked.notes.append((
            "These campaigns have no comparable orders in the four weeks before they began:"
            " {campaigns}.",
            {"campaigns": none},
        ))
    if few:
        asked.notes.append((
            "Fewer than half of these campaigns' orders have comparable ones (same hour of the week,"
            " product and client) in the four weeks before; the uplift speaks for those"
            " alone: {campaigns}.",
            {"campaigns": few},
        ))
    if any(not row["holdout_orders"] for row in rows):
        asked.notes.append((
            "No hold-out group is named for some campaigns: they are compared with the weeks before"
            " alone, which is an association and no proof.", {},
        ))
    unbilled = sum(row["unbilled"] for row in rows)
    if unbilled:
        asked.notes.append((
            "{count} paid orders stand on no bill yet: what was given off them is not known.",
            {"count": unbilled},
        ))


def _names(rows: Iterable[Row]) -> str:
    names = sorted({row["campaign"] for row in rows})
    more = f" +{len(names) - _NAMED}" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


METRIC = Metric(
    name="campaigns",
    title="Campaigns",
    version=1,
    definition=(
        "Orders created in the period by campaign, its hold-out group apart, and the share of the"
        " matured ones paid by their expiry. Uplift: how that share differs from orders of no campaign"
        " in the four weeks before the campaign began (before its latest beginning where it paused for"
        " four weeks), of the same hour of the week, product and client, weighted by the campaign's own"
        " mix; only orders that find such earlier ones are compared. Newcombe 95 %, the earlier orders"
        " counted by their effective number N² ÷ Σ n₁²/n₀. Likewise the mean amount of paid orders, the"
        " share of purchases that are a provably new buyer's first, and the mean discount (amounts:"
        " normal interval); and each against the hold-out group where the log names one, unweighted."
        " An effect is judged from 30 orders on each side: more than chance if its interval leaves out"
        " zero, and among more than ten also by Benjamini and Hochberg at 5 %. New buyers: buyers"
        " provably new whose first purchase was an order of the campaign. Discount: what the shop itself"
        " gave off paid orders, amount less receipt on the bills, before refunds."
    ),
    needs=(("checkout_log",), ("notification_log", "trade_bill")),
    fields=(
        "campaign", "orders", "matured", "paid", "rate", "low", "high", "paid_fen", "discount_fen",
        "new_buyers", *effect_fields("uplift"), "begun_at", "matched_orders", "matched_share",
        "matched_rate", "compared_orders", "compared_size", "compared_rate", "holdout_orders",
        "holdout_rate", *effect_fields("uplift", "holdout_"), "average_order_fen", "new_rate",
        *(field for name in list(EFFECTS)[1:] for side in SIDES for field in effect_fields(name, side)),
    ),
    answer=_answer,
)
