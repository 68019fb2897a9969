"""UnionPay's signatures and codes."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from loaders.channels import channel_of_call
from loaders.channels.unionpay import codes, signing
from loaders.errors import BadSignature
from tests.conftest import SHARED

AT = datetime(2026, 5, 3, 12)
VECTORS = SHARED / "vectors" / "unionpay.json"


def vectors() -> list[Any]:
    if not VECTORS.exists():
        return []
    found = json.loads(VECTORS.read_text("utf-8"))["vectors"]
    return [pytest.param(item, id=item["id"]) for item in found]


@pytest.mark.skipif(not VECTORS.exists(), reason="the published vectors are not here")
@pytest.mark.parametrize("vector", vectors())
def test_published_signatures(vector: dict[str, Any]) -> None:
    fields = {**vector["params"], "signature": vector["signature"]}
    key = serialization.load_pem_public_key(vector["public_key_pem"].encode())
    assert isinstance(key, rsa.RSAPublicKey)
    assert vector["kind"] == "unionpay_5.1.0"
    assert signing.string_to_sign(fields) == vector["canonical"]
    assert signing.digest(fields).decode() == vector["string_to_sign"]
    assert signing.verify(fields, key) is vector["expect_valid"]
    for name in vector["params"]:
        changed = fields | {name: fields[name] + "1"}
        assert not signing.verify(changed, key), name
    carried = x509.load_pem_x509_certificate(fields["signPubKeyCert"].encode())
    assert carried.public_key() == key
    at = carried.not_valid_before_utc.replace(tzinfo=None) + timedelta(days=1)
    strangers = pem(certificate("a", KEY, "a", KEY))
    with pytest.raises(BadSignature, match="not issued"):
        signing.signer(fields, strangers, at)


FIELDS = {
    "version": "5.1.0", "encoding": "UTF-8", "signMethod": "01", "txnType": "01", "txnSubType": "01",
    "bizType": "000201", "merId": "777290058110048", "orderId": "M1", "txnTime": "20260503120000",
    "txnAmt": "8888", "currencyCode": "156", "certId": "68759663125", "reqReserved": "茶 & 杯=1",
    "riskRateInfo": "",
}
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def test_what_is_signed_is_the_hex_digest_of_the_sorted_fields() -> None:
    text = signing.string_to_sign({"b": "2", "signature": "x", "a": "1", "c": ""})
    assert text == "a=1&b=2"
    digest = signing.digest({"b": "2", "a": "1"})
    assert digest == hashlib.sha256(b"a=1&b=2").hexdigest().encode()
    assert signing.string_to_sign(FIELDS).startswith("bizType=000201&certId=68759663125&")


def test_a_signature_holds_for_these_fields_alone() -> None:
    signed = FIELDS | {"signature": signing.sign(FIELDS, KEY)}
    assert signing.verify(signed, KEY.public_key())
    for changed in ({"txnAmt": "8889"}, {"orderId": "M2"}, {"extra": "1"}, {"signature": ""},
                    {"signature": "💥"}, {"version": "5.0.0"}, {"signMethod": "02"}):
        assert not signing.verify(signed | changed, KEY.public_key())
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    assert not signing.verify(signed, other.public_key())
    gbk = FIELDS | {"signature": signing.sign(FIELDS, KEY, "gbk")}
    assert signing.verify(gbk, KEY.public_key(), "gbk")
    assert not signing.verify(gbk, KEY.public_key())


def certificate(
    common: str, key: Any, issuer: str, signer: Any, *, days: int = 30, is_authority: bool = False
) -> x509.Certificate:
    now = AT.replace(tzinfo=UTC)
    return (
        x509.CertificateBuilder().subject_name(name(common)).issuer_name(name(issuer))
        .public_key(key.public_key()).serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=60)).not_valid_after(now + timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        .sign(signer, hashes.SHA256())
    )


def name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def pem(*found: x509.Certificate) -> bytes:
    return b"".join(item.public_bytes(serialization.Encoding.PEM) for item in found)


@pytest.fixture(scope="module")
def chain() -> tuple[Any, Any, bytes]:
    """The middle authority's key, the root's, and both certificates."""
    root, middle = (rsa.generate_private_key(public_exponent=65537, key_size=2048) for _ in "ab")
    return middle, root, pem(
        certificate("CFCA ACS CA", root, "CFCA ACS CA", root, is_authority=True),
        certificate("CFCA OCA1", middle, "CFCA ACS CA", root, is_authority=True),
    )


OWNER = f"041@{signing.OWNER}@00040000:SIGN"


def test_the_key_comes_from_a_proven_certificate_of_unionpay(chain: tuple[Any, Any, bytes]) -> None:
    middle, _, authorities = chain
    good = pem(certificate(OWNER, KEY, "CFCA OCA1", middle)).decode()
    found = signing.signer({"signPubKeyCert": good}, authorities, AT)
    assert found.public_numbers() == KEY.public_key().public_numbers()


@pytest.mark.parametrize(("owner", "own_signer", "days", "why"), [
    ("someone else", False, 30, "UnionPay's own"), (OWNER, True, 30, "not issued"),
    (OWNER, False, -1, "out of date"),
])
def test_other_certificates_are_refused(
    chain: tuple[Any, Any, bytes], owner: str, own_signer: bool, days: int, why: str
) -> None:
    middle, _, authorities = chain
    made = certificate(owner, KEY, "CFCA OCA1", KEY if own_signer else middle, days=days)
    with pytest.raises(BadSignature, match=why):
        signing.signer({"signPubKeyCert": pem(made).decode()}, authorities, AT)
    with pytest.raises(BadSignature):
        signing.signer({"signPubKeyCert": "junk"}, authorities, AT)
    with pytest.raises(BadSignature):
        signing.signer({}, authorities, AT)


@pytest.mark.parametrize(("code", "reason", "source"), [
    ("64", "insufficient_funds", "bank"), ("33", "limit_exceeded", "customer"),
    ("38", "risk_rejected", "risk"), ("63", "payer_restricted", "customer"),
    ("65", "credential_invalid", "customer"), ("69", "user_cancelled", "customer"),
    ("60", "channel_error", "bank"), ("11", "merchant_config", "merchant"),
    ("XX", "unmapped", "unknown"),
])
def test_failures_have_a_class_and_a_source(code: str, reason: str, source: str) -> None:
    found = codes.answer("unionpay.pay", True, code, None)
    assert (found.reason, found.source, found.known, found.may_pay) == (reason, source, True, False)


def test_accepted_and_open_answers_are_no_failures() -> None:
    assert codes.answer("unionpay.pay", True, "00", None).reason is None
    for code in ("03", "04", "05"):
        found = codes.answer("unionpay.pay", True, code, None)
        assert (found.reason, found.known, found.may_pay) == ("timeout_unknown", False, True)
        assert not codes.meaning("unionpay.pay", code, None).is_known


@pytest.mark.parametrize(("response", "says"), [
    ({"respCode": "00", "origRespCode": "00"}, "paid"),
    ({"respCode": "00", "origRespCode": "05"}, "waiting"),
    ({"respCode": "00", "origRespCode": "64"}, None), ({"respCode": "34"}, "absent"),
    ({"respCode": "03", "origRespCode": "00"}, None),
])
def test_what_a_query_says_of_a_trade(response: dict[str, str], says: str | None) -> None:
    call = {"method": "https://gateway.95516.com/gateway/api/queryTrans.do",
            "request": {"orderId": "M1", "txnType": "00"}, "response": response}
    found = channel_of_call(str(call["method"]))
    assert found is not None
    assert found.name == "unionpay"
    read = codes.read_call(call)
    assert (read["says"], read["method"], read["order_no"]) == (says, "unionpay.query", "M1")
    assert not codes.is_payment_call(read["method"])


def test_a_call_that_gives_money_back_is_no_payment() -> None:
    for kind, is_payment in (("01", True), ("04", False), ("31", False)):
        read = codes.read_call({"method": "backTransReq.do", "response": {"respCode": "00"},
                                "request": {"orderId": "M1", "txnType": kind}})
        assert codes.is_payment_call(read["method"]) is is_payment
