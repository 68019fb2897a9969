"""Links to bills: asked for with a signed call, valid for half a minute, fetched without one."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from sample_data.files import ACCOUNT
from sample_data.gateway.refusals import business
from sample_data.gateway.statements import lines_between, statement

if TYPE_CHECKING:
    from sample_data.gateway.envelope import Call
    from sample_data.gateway.gateway import Gateway

KINDS = ("trade", "signcustomer")
PATH = "/downloadBillFile.resource"
_DAY, _MONTH = re.compile(r"\d{4}-\d{2}-\d{2}"), re.compile(r"\d{4}-\d{2}")


@dataclass(frozen=True, slots=True)
class Span:
    """The inclusive days of a bill, its stamp, and when it is there to be fetched."""

    first: date
    last: date
    stamp: str
    ready_at: datetime


def read_span(text: str) -> Span:
    """A day (ready the next day at 09:00) or a month (ready on the 3rd). Raises Refused."""
    try:
        if _DAY.fullmatch(text):
            day = date.fromisoformat(text)
            return Span(day, day, f"{day:%Y%m%d}", _morning(day + timedelta(days=1)))
        if _MONTH.fullmatch(text):
            first = date.fromisoformat(f"{text}-01")
            following = (first + timedelta(days=32)).replace(day=1)
            last = following - timedelta(days=1)
            return Span(first, last, f"{first:%Y%m}", _morning(following + timedelta(days=2)))
    except ValueError as error:
        raise business("invalid_arguments") from error
    raise business("invalid_arguments")


def _morning(day: date) -> datetime:
    return datetime.combine(day, time(9))


def bill_link(gateway: Gateway, call: Call) -> dict[str, Any]:
    """alipay.data.dataservice.bill.downloadurl.query."""
    kind, text = call.text("bill_type"), call.text("bill_date")
    if kind not in KINDS:
        raise business("TYPE_NOT_SUPPORTED")
    span = read_span(text)
    if gateway.clock() < span.ready_at:
        raise business("isp.bill_not_exist")
    started = min((trade.created_at.date() for trade in gateway.ledger), default=None)
    if started is None or span.last < started:
        raise business("BILL_DATE_BEFORE_REGISTRATION")
    is_empty = not _lines(gateway, kind, span)
    if is_empty and gateway.manners.empty_days != "file":
        raise business(gateway.manners.empty_days)
    node: dict[str, Any] = {"bill_download_url": _url(gateway, kind, text, span)}
    if is_empty:
        node["bill_file_code"] = "EMPTY_DATA_WITH_BILL_FILE"
    return node


def _url(gateway: Gateway, kind: str, text: str, span: Span) -> str:
    token = secrets.token_hex(16)
    until = gateway.clock() + timedelta(seconds=gateway.manners.link_s)
    gateway.links[token] = (kind, text, until)
    query = {
        "bizType": kind, "userId": ACCOUNT, "fileType": "csv.zip", "bizDates": span.stamp,
        "downloadFileName": f"{ACCOUNT}_{span.stamp}.csv.zip", "fileId": f"/{kind}/{token}.csv.zip",
        "timestamp": str(int(gateway.clock().timestamp() * 1000)), "token": token,
    }
    return f"{gateway.base_url}{PATH}?{urlencode(query)}"


def fetch_bill(gateway: Gateway, token: str) -> tuple[str, bytes] | None:
    """Name and content of a bill's zip; None for a link that is wrong or has lapsed."""
    now = gateway.clock()
    for old in [name for name, (_, _, until) in gateway.links.items() if until < now]:
        del gateway.links[old]
    if token not in gateway.links:
        return None
    kind, text, _ = gateway.links[token]
    span = read_span(text)
    content = statement(kind, span.stamp, span.first, span.last, _lines(gateway, kind, span))
    return f"{ACCOUNT}_{span.stamp}.csv.zip", content


def _lines(gateway: Gateway, kind: str, span: Span) -> list[Any]:
    start = datetime.combine(span.first, time())
    end = datetime.combine(span.last + timedelta(days=1), time())
    lines = lines_between(gateway.ledger, start, end)
    return [line for line in lines if kind != "trade" or line.settlement is None]
