"""WeChat Pay's notification logs: end to end, retries, replays, probes, and other channels' keys."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from sample_data.wechat_files import (
    API_KEY,
    APPID,
    MCHID,
    SERIAL,
    log_line,
    message,
    refund_result,
    signed_headers,
    trade_bill,
    transaction,
)
from tests.conftest import Mdash
from tests.store.messages import body as alipay_body
from tests.store.messages import envelope as alipay_envelope
from tests.store.messages import fields as alipay_fields
from tests.store.test_bills import lines, load

pytestmark = pytest.mark.slow

LINES = lines()
PAID = LINES[0].order
REFUND = LINES[-1].refund


@pytest.fixture(scope="module")
def private(channel_key: bytes) -> RSAPrivateKey:
    key = serialization.load_pem_private_key(channel_key, password=None)
    assert isinstance(key, RSAPrivateKey)
    return key


@pytest.fixture
def home(home: Path) -> Path:
    """A home that knows WeChat Pay's keys beside Alipay's (the same pair, for the test's sake)."""
    (home / "keys" / "api_v3_key").write_text(API_KEY + "\n", "utf-8")
    with (home / "mdash.toml").open("a", encoding="utf-8") as file:
        file.write(
            f'[channels.wechatpay]\nmchid = "{MCHID}"\nappid = "{APPID}"\nplatform_serial = "{SERIAL}"\n'
            'platform_public_key_file = "keys/alipay_public_key.pem"\n'
            'api_v3_key_file = "keys/api_v3_key"\n'
        )
    return home


def line(
    private: RSAPrivateKey, event: str, told: dict[str, Any], at: datetime,
    late: timedelta = timedelta(seconds=1), **changed: str,
) -> str:
    body = message(event, told, at)
    return log_line(body, signed_headers(body, at, private) | changed, at + late)


def payment(private: RSAPrivateKey, number: int = 0, **changed: Any) -> str:
    order = LINES[number].order
    assert order.paid_at is not None
    return line(private, "TRANSACTION.SUCCESS", transaction(order), order.paid_at, **changed)


def refund(private: RSAPrivateKey) -> str:
    assert REFUND is not None
    return line(private, "REFUND.SUCCESS", refund_result(PAID, REFUND), REFUND.done_at)


def read_log(mdash: Mdash, path: Path, *text: str) -> dict[str, Any]:
    return load(mdash, path, ("\n".join(text) + "\n").encode())


def sales(mdash: Mdash) -> list[dict[str, Any]]:
    rows = mdash("metric", "sales", "--from", "2026-05-03", "--to", "2026-05-03", "--by", "channel",
                 "--format", "json").json()["rows"]
    names = ("channel", "paid", "paid_fen", "refunds", "refunded_fen")
    return [{name: row[name] for name in names} for row in rows]


def test_a_bill_and_a_log_make_one_truth(
    mdash: Mdash, tmp_path: Path, private: RSAPrivateKey
) -> None:
    texts = [payment(private, number) for number in range(6)] + [refund(private)]
    report = read_log(mdash, tmp_path / "n.jsonl", *texts)
    assert (report["kind"], report["rows"], report["rejected"]) == ("notification_log", 7, 0)
    whole = {"channel": "wechatpay", "paid": 6, "paid_fen": 6000, "refunds": 1, "refunded_fen": 400}
    assert sales(mdash) == [whole]
    assert load(mdash, tmp_path / "a.csv", trade_bill(LINES))["rows"] == 7
    assert sales(mdash) == [whole]
    settled = mdash("metric", "settlement", "--from", "2026-05-03", "--to", "2026-05-03", "--by",
                    "channel", "--format", "json").json()["rows"]
    assert settled == [{"channel": "wechatpay", "gross_fen": 6000, "refunded_fen": 400,
                        "fee_fen": 34, "net_fen": 5566}]
    trade = mdash("trade", "4200020260503000000000000000", "--json").json()
    assert (trade["order_no"], trade["amount_fen"]) == (PAID.order_no, 1000)
    assert trade["refunded_fen"] == 400
    told = mdash("sql", "select refund_no, amount_fen, notified_at is not null as told, billed_on"
                 " from refunds", "--format", "json").json()["rows"]
    assert told == [
        {"refund_no": "RF1", "amount_fen": 400, "told": True, "billed_on": "2026-05-03"}
    ]


def test_a_second_partial_refund_adds_to_the_first(
    mdash: Mdash, tmp_path: Path, private: RSAPrivateKey
) -> None:
    assert REFUND is not None
    told = refund_result(PAID, REFUND)
    amount = {"total": 1000, "refund": 150, "payer_total": 1000, "payer_refund": 150}
    more = {**told, "out_refund_no": "RF2", "amount": amount}
    at = REFUND.done_at + timedelta(minutes=2)
    read_log(mdash, tmp_path / "n.jsonl", refund(private), payment(private),
             line(private, "REFUND.SUCCESS", more, at))
    assert sales(mdash)[0]["refunded_fen"] == 550


def test_retries_replays_probes_and_strangers(
    mdash: Mdash, tmp_path: Path, private: RSAPrivateKey
) -> None:
    at = PAID.paid_at
    assert at is not None
    told = transaction(PAID)
    body = message("TRANSACTION.SUCCESS", told, at)
    again = at + timedelta(seconds=15)
    forged = json.loads(payment(private, 1))
    forged["body"] = forged["body"].replace("支付成功", "支付失败")
    texts = [
        payment(private),
        log_line(body, signed_headers(body, again, private), again),
        payment(private, late=timedelta(hours=1)),
        payment(private, **{"Wechatpay-Signature": "WECHATPAY/SIGNTEST/abc="}),
        line(private, "TRANSACTION.SUCCESS", {**told, "mchid": "1900000110"}, at),
        json.dumps(forged, ensure_ascii=False),
        log_line("<xml><return_code>SUCCESS</return_code><transaction_id>1</transaction_id></xml>", {},
                 at),
        body,
        json.dumps(json.loads(payment(private, 2)) | {"headers": {
            name.upper(): value for name, value in json.loads(payment(private, 2))["headers"].items()
        }}, ensure_ascii=False),
    ]
    report = read_log(mdash, tmp_path / "n.jsonl", *texts)
    assert (report["rows"], report["duplicates"], report["rejected"]) == (2, 1, 6)
    why = mdash("sql", "select line, template from rejects order by line", "--format", "json").json()
    found = {row["line"]: row["template"] for row in why["rows"]}
    for number, words in {3: "five minutes", 4: "probe", 5: "another app", 6: "does not verify",
                          7: "API v2", 8: "signed as a whole"}.items():
        assert words in found[number]
    counted = mdash("metric", "notifications", "--from", "2026-05-03", "--to", "2026-05-03",
                    "--format", "json").json()["rows"][0]
    assert (counted["received"], counted["duplicates"]) == (2, 1)
    assert sales(mdash) == [
        {"channel": "wechatpay", "paid": 2, "paid_fen": 2000, "refunds": 0, "refunded_fen": 0}
    ]


def test_messages_of_two_channels_lie_in_one_log(
    mdash: Mdash, tmp_path: Path, private: RSAPrivateKey, channel_key: bytes
) -> None:
    report = read_log(mdash, tmp_path / "n.jsonl", payment(private),
                      alipay_envelope(alipay_body(channel_key, alipay_fields("M1"))))
    assert (report["rows"], report["rejected"]) == (2, 0)
    assert [(row["channel"], row["paid_fen"]) for row in sales(mdash)] == [
        ("alipay", 8888), ("wechatpay", 1000),
    ]


def test_a_channel_of_which_only_the_account_is_known_hinders_no_other(
    mdash: Mdash, home: Path, tmp_path: Path, private: RSAPrivateKey, channel_key: bytes
) -> None:
    toml = home / "mdash.toml"
    kept = [text for text in toml.read_text("utf-8").splitlines() if "platform_" not in text]
    toml.write_text("\n".join(text for text in kept if "api_v3" not in text) + "\n", "utf-8")
    report = read_log(mdash, tmp_path / "n.jsonl", payment(private),
                      alipay_envelope(alipay_body(channel_key, alipay_fields("M1"))))
    assert (report["rows"], report["rejected"], report["exit"]) == (1, 1, 3)
    assert "no key is configured" in report["message"]


def test_calls_of_the_api_become_attempts(mdash: Mdash, tmp_path: Path) -> None:
    at = "2026-05-03T12:00:0{}+08:00"
    path = "https://api.example.com/v3/pay/transactions"
    log = [
        {"event": "order", "order_no": "W1", "at": at.format(0), "channel": "wechatpay",
         "amount": "10.00", "expires_at": "2026-05-03T12:30:00+08:00"},
        {"at": at.format(1), "method": "POST /v3/pay/transactions/codepay",
         "request": {"out_trade_no": "W1"}, "response": {"code": "NOT_ENOUGH", "message": "余额不足"}},
        {"at": at.format(5), "method": f"GET {path}/out-trade-no/W1?mchid=1900000109",
         "request": {}, "response": {"trade_state": "SUCCESS", "transaction_id": "42001",
                                     "success_time": "2026-05-03T12:00:04+08:00"}},
    ]
    report = read_log(mdash, tmp_path / "c.jsonl", *(json.dumps(item) for item in log))
    assert (report["kind"], report["rows"], report["rejected"]) == ("checkout_log", 3, 0)
    read = mdash("sql", "select channel, method, is_payment, reason, says from checkout_events"
                 " where event = 'attempt' order by line", "--format", "json").json()["rows"]
    assert read == [
        {"channel": "wechatpay", "method": "wechatpay.codepay", "is_payment": True,
         "reason": "insufficient_funds", "says": None},
        {"channel": "wechatpay", "method": "wechatpay.query", "is_payment": False, "reason": None,
         "says": "paid"},
    ]
    assert mdash("trade", "42001", "--json").json()["paid_at"] == "2026-05-03T12:00:04+08:00"


def test_check_speaks_of_the_channels_in_use(mdash: Mdash, home: Path) -> None:
    assert mdash("check").code == 0
    toml = home / "mdash.toml"
    toml.write_text(toml.read_text("utf-8").replace(f'mchid = "{MCHID}"\n', ""), "utf-8")
    ran = mdash("check")
    assert ran.code != 0
    assert "mchid" in ran.out + ran.err
    toml.write_text(toml.read_text("utf-8").split("[channels.wechatpay]")[0], "utf-8")
    assert mdash("check").code == 0


def test_a_bill_line_in_another_currency_is_no_match(
    mdash: Mdash, tmp_path: Path, private: RSAPrivateKey
) -> None:
    texts = [payment(private, number) for number in range(6)] + [refund(private)]
    read_log(mdash, tmp_path / "n.jsonl", *texts)
    load(mdash, tmp_path / "a.csv", trade_bill(LINES).replace(b"`CNY", b"`USD", 1))
    rows = mdash("metric", "reconciliation", "--from", "2026-05-03", "--to", "2026-05-03",
                 "--format", "json").json()["rows"]
    assert rows == [
        {"class": "matched", "items": 6, "amount_fen": 5000 - 400},
        {"class": "currency_mismatch", "items": 1, "amount_fen": 1000},
    ]
