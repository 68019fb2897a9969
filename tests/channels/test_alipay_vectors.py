"""Published cases of replies, certificates and encryption that nobody here wrote.

Left out: SM2 signatures, SM4 encryption and the v3 protocol's headers, which are not offered.
"""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl

import pytest

from loaders.channels.alipay import certificates, encryption, replies, requests, signing
from loaders.channels.protocol import Reply
from loaders.errors import BadSignature, ConfigurationError, RefusedInput
from tests.channels.alipay_desk import STAMP, Desk
from tests.conftest import SHARED

pytestmark = pytest.mark.skipif(not SHARED.exists(), reason="the published vectors are not here")


def cases(name: str, part: str = "vectors") -> list[Any]:
    path = SHARED / "vectors" / f"{name}.json"
    found = json.loads(path.read_text("utf-8"))[part] if path.exists() else []
    return [pytest.param(item, id=item["id"]) for item in found]


def method_of(case: dict[str, Any]) -> str:
    name: str = case["response_node"].removesuffix("_response")
    return name.replace("_", ".")


@pytest.mark.parametrize("case", cases("alipay_sync_response", "extraction_cases"))
def test_the_signed_text_is_found_as_it_stands(case: dict[str, Any]) -> None:
    if case["expect"] != "ok":
        with pytest.raises(RefusedInput, match="twice"):
            replies.find(case["raw_body"], method_of(case))
        return
    root = replies.find(case["raw_body"], method_of(case))
    assert root.content == case["expected_content"]
    if "expected_sign" in case:
        assert root.sign == case["expected_sign"]


def test_all_extraction_cases_were_run() -> None:
    assert len(cases("alipay_sync_response", "extraction_cases")) == 17


@pytest.mark.parametrize("case", cases("alipay_sync_response"))
def test_a_genuine_reply_opens_and_an_altered_one_does_not(
    case: dict[str, Any], desk: Desk
) -> None:
    public = signing.read_public_key(case["public_key_pem"].encode())
    keys = replace(desk.keys, public_key=public, sign_type=case["sign_type"])
    reply = Reply(200, {}, case["raw_body"].encode())
    if case["expect_valid"]:
        node = replies.open_reply(reply, method_of(case), keys)
        assert node.is_verified
        assert node.fields == json.loads(case["signed_content"])
    else:
        with pytest.raises(BadSignature, match="does not verify"):
            replies.open_reply(reply, method_of(case), keys)


@pytest.mark.parametrize("case", cases("alipay_cert_sn"))
def test_serial_numbers_of_certificates(case: dict[str, Any]) -> None:
    pem = case["pem"].encode()
    if case["kind"] == "root_cert_sn":
        assert certificates.root_serials(pem) == case["expected_sn"]
        assert certificates.root_serials(pem.replace(b"\n", b"\r\n")) == case["expected_sn"]
    elif case["expected_sn"]:
        assert certificates.certificate_serial(pem) == case["expected_sn"]


def test_a_certificate_comes_from_the_root_file_or_is_refused() -> None:
    files = {case.values[0]["id"]: case.values[0]["pem"].encode()
             for case in cases("alipay_cert_sn")}
    certificates.check_chain(files["net-alipay-public"], files["net-root"])
    with pytest.raises(ConfigurationError, match="does not come from"):
        certificates.check_chain(files["chloerei-app-serial-0"], files["net-root"])


@pytest.mark.parametrize("case", [c for c in cases("alipay_aes") if c.values[0]["alg"] != "SM4"])
def test_encryption(case: dict[str, Any]) -> None:
    key = encryption.read_aes_key(case["key_b64"].encode())
    plain = encryption.decrypt(case["alg"], key, case["ciphertext_b64"])
    assert plain.decode() == case["plaintext"]
    vector = base64.b64decode(case["ciphertext_b64"])[:16]
    assert encryption.encrypt(case["alg"], key, plain, vector) == case["ciphertext_b64"]


@pytest.mark.parametrize(
    "case", [c for c in cases("alipay_request_sign") if "wire" in c.values[0]]
)
def test_an_order_string_travels_as_published(case: dict[str, Any], desk: Desk) -> None:
    """All but the signature, whose private key is not public, and `format`, which we send too."""
    params = case["params"]
    wire = case["wire"].partition("?")[2] or case["wire"]
    keys = replace(
        desk.keys, app_id=params["app_id"], app_cert_sn=params["app_cert_sn"],
        root_cert_sn=params["alipay_root_cert_sn"],
    )
    made = requests.order_string(params["method"], json.loads(params["biz_content"]), keys, STAMP)
    ours, theirs = dict(parse_qsl(made)), dict(parse_qsl(wire))
    changing = {"sign", "timestamp", "charset", "format"}
    assert {k: v for k, v in ours.items() if k not in changing} == {
        k: v for k, v in theirs.items() if k not in changing
    }
    assert ours.keys() - {"format"} == theirs.keys()


@pytest.mark.parametrize(
    "case", [c for c in cases("alipay_v3") if c.values[0]["kind"] == "alipay_v3_response"]
)
def test_an_edited_v3_signature_does_not_verify(case: dict[str, Any]) -> None:
    key = signing.read_public_key(case["public_key_pem"].encode())
    assert not signing.verify(case["string_to_sign"].encode(), case["signature"], key)
