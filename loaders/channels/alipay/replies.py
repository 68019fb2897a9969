"""Alipay's replies: the signed substring is found, verified and only then read.

Source: open-platform documents on synchronous responses; extraction cases of the official kits.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, TypeVar

from loaders.channels.alipay import codes, encryption, signing
from loaders.channels.alipay.credentials import Credentials
from loaders.channels.protocol import Reply
from loaders.errors import BadSignature, MdashError, RefusedInput
from loaders.records import EARLIEST, LATEST, Answer, FundBill, fen_of_yuan

T = TypeVar("T")
SUCCESS, WAITING, FAILED = "10000", "10003", "40004"
ERROR_NODE = "error_response"
NOT_A_REPLY = "What came back is not a reply of the channel (HTTP {status})."
_CHINA = timedelta(hours=8)
_SPACE = re.compile(r"[ \t\r\n]*")
_LOGON = re.compile(r"^(.{0,3}).*?(@.*)?$", re.DOTALL)
_PERSONAL = re.compile(
    r"""((?:auth_code|buyer_logon_id|buyer_id|buyer_open_id)(?:"|&quot;)\s*:\s*(?:"|&quot;))[^"&]*"""
)
_LONGEST_TEXT = 1000
_NOTED = (
    "code", "sub_code", "out_trade_no", "trade_no", "trade_status", "send_pay_date",
    "total_amount", "fund_change", "refund_status",
)
_SCANNER = json.JSONDecoder(parse_int=str, parse_float=str, strict=False)


@dataclass(frozen=True, slots=True)
class Root:
    """A reply's text in its parts: the response node as it stands there, and its signature."""

    content: str
    sign: str | None
    cert_sn: str | None


@dataclass(frozen=True, slots=True)
class Node:
    """The fields of a response node; `is_verified` if the channel signed them."""

    fields: Mapping[str, Any]
    is_verified: bool

    def text(self, name: str) -> str | None:
        """A field's text, None where it is absent or empty. Raises RefusedInput for an object."""
        value = self.fields.get(name)
        if value is None or value == "":
            return None
        if not isinstance(value, str):
            raise RefusedInput("The reply's {field} is not a text.", field=name)
        return value

    def fen(self, name: str) -> int | None:
        """A field's yuan in whole fen. Raises RefusedInput."""
        text = self.text(name)
        if text is None:
            return None
        try:
            return fen_of_yuan(text)
        except ValueError as error:
            raise RefusedInput("The reply's {field} is not an amount.", field=name) from error

    def instant(self, name: str) -> datetime | None:
        """A field's China time as naive UTC. Raises RefusedInput."""
        text = self.text(name)
        if text is None:
            return None
        try:
            at = datetime.fromisoformat(text).replace(tzinfo=None)
        except ValueError as error:
            raise RefusedInput("The reply's {field} is not a time.", field=name) from error
        if not EARLIEST <= at <= LATEST:
            raise RefusedInput("The reply's {field} is not a time.", field=name)
        return at - _CHINA

    def items(self, name: str) -> list[Node]:
        """A field's list of objects; it may come as JSON in a text. Raises RefusedInput."""
        value = self.fields.get(name)
        if value is None or value == "":
            return []
        if isinstance(value, str):
            value = _parsed(value)
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            raise RefusedInput("The reply's {field} is not a list.", field=name)
        return [Node(item, self.is_verified) for item in value]

    def child(self, name: str) -> Node:
        """A field's object, empty if there is none."""
        value = self.fields.get(name)
        return Node(value if isinstance(value, dict) else {}, self.is_verified)

    def funds(self, name: str) -> tuple[FundBill, ...]:
        """What each means of payment bore."""
        return tuple(
            FundBill(item.text("fund_channel") or "", item.fen("amount") or 0)
            for item in self.items(name)
        )


def find(text: str, method: str) -> Root:
    """The response node of `method` in a reply's text, as it stands there. Raises RefusedInput.

    A name that stands twice at the root, or anything after the root, refuses the whole reply.
    """
    expected = method.replace(".", "_") + "_response"
    spans = dict(_members(text))
    found = [name for name in (expected, ERROR_NODE) if name in spans]
    if len(found) != 1:
        raise RefusedInput("The reply holds no answer to this request.")
    start, end = spans[found[0]]
    return Root(
        content=text[start:end],
        sign=_string(text, spans.get("sign")),
        cert_sn=_string(text, spans.get("alipay_cert_sn")),
    )


def _string(text: str, span: tuple[int, int] | None) -> str | None:
    value = _parsed(text[slice(*span)]) if span else None
    return value if isinstance(value, str) and value else None


def _members(text: str) -> Iterable[tuple[str, tuple[int, int]]]:
    """Names of the root object and where their values begin and end."""
    seen: set[str] = set()
    at = _after(text, _space(text, 0), "{")
    while True:
        name, at = _value(text, _space(text, at))
        if not isinstance(name, str) or name in seen:
            raise RefusedInput("The reply names a part twice, or is damaged.")
        seen.add(name)
        start = _space(text, _after(text, _space(text, at), ":"))
        _, end = _value(text, start)
        yield name, (start, end)
        at = _space(text, end)
        if text[at : at + 1] == "}":
            break
        at = _after(text, at, ",")
    if text[_space(text, at + 1) :]:
        raise RefusedInput("The reply is damaged.")


def _space(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    return match.end() if match else at


def _after(text: str, at: int, sign: str) -> int:
    if text[at : at + 1] != sign:
        raise RefusedInput("The reply is damaged.")
    return at + 1


def _value(text: str, at: int) -> tuple[Any, int]:
    try:
        return _SCANNER.raw_decode(text, at)
    except (ValueError, RecursionError) as error:
        raise RefusedInput("The reply is damaged.") from error


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise RefusedInput("The reply names a part twice, or is damaged.")
    return fields


def _parsed(text: str) -> Any:
    try:
        return json.loads(
            text, parse_int=str, parse_float=str, strict=False, object_pairs_hook=_once
        )
    except (ValueError, RecursionError) as error:
        raise RefusedInput("The reply is damaged.") from error


def open_reply(reply: Reply, method: str, keys: Credentials) -> Node:
    """The response node, verified. An unsigned error is returned as such, and as nothing else.

    Raises BadSignature or RefusedInput.
    """
    text, codec = _decoded(reply, keys)
    try:
        root = find(text, method)
    except RefusedInput as error:
        if not text.lstrip().startswith("{"):
            raise RefusedInput(NOT_A_REPLY, status=reply.status) from error
        raise
    if root.sign is None:
        fields = _parsed(root.content)
        if not isinstance(fields, dict) or fields.get("code") in (SUCCESS, WAITING, None):
            raise BadSignature("The reply carries no signature.")
        return Node(fields, is_verified=False)
    if keys.alipay_cert_sn and root.cert_sn not in (None, keys.alipay_cert_sn):
        raise BadSignature(
            "Alipay signed with another certificate than the configured one. Download"
            " alipayCertPublicKey_RSA2.crt again from the console."
        )
    if not signing.verify(
        root.content.encode(codec), root.sign, keys.public_key, keys.sign_type
    ):
        raise BadSignature(
            "The reply's signature does not verify: it is altered, or the configured Alipay key is"
            " not the right one."
        )
    return Node(_opened(root.content, keys, codec), is_verified=True)


def _decoded(reply: Reply, keys: Credentials) -> tuple[str, str]:
    """The reply's text, and the codec that gives back the very bytes that came.

    Only the charset that was asked for is tried: signed bytes read in another one could say
    something else.
    """
    codec = "gb18030" if keys.codec == "gbk" else keys.codec
    try:
        text = reply.body.decode(codec)
        if text.encode(codec) == reply.body:
            return text, codec
    except UnicodeError as error:
        raise RefusedInput(NOT_A_REPLY, status=reply.status) from error
    raise RefusedInput(NOT_A_REPLY, status=reply.status)


def _opened(content: str, keys: Credentials, codec: str) -> dict[str, Any]:
    value = _parsed(content)
    if isinstance(value, str):
        if keys.aes_key is None:
            raise RefusedInput(
                "The reply is encrypted, but no aes_key_file is set under [channels.alipay]."
            )
        plain = encryption.decrypt(keys.encrypt_type, keys.aes_key, value)
        try:
            value = _parsed(plain.decode(codec))
        except UnicodeDecodeError as error:
            raise RefusedInput("The reply is damaged.") from error
    if not isinstance(value, dict):
        raise RefusedInput("The reply is damaged.")
    return value


Reading = tuple[T | None, bool]
"""What a node says, and whether that settles what became of the request."""


def read(
    reply: Reply,
    method: str,
    keys: Credentials,
    on_success: Callable[[Node], Reading[T]],
    asked: Mapping[str, str] | None = None,
    on_code: Mapping[str, T] | None = None,
    accepts: tuple[str, ...] = (SUCCESS,),
) -> Answer[T]:
    """The answer in a reply. Whatever is wrong with it, the outcome is unknown, never guessed.

    `asked` is what no answer may contradict; `on_code` holds codes that are an answer in themselves;
    `accepts` are the codes by which this call is taken on.
    """
    try:
        node = open_reply(reply, method, keys)
        code, sub_code = node.text("code"), node.text("sub_code")
        text = _harmless(node.text("sub_msg") or node.text("msg"), keys)
    except MdashError as error:
        return Answer(why=error, may_repeat=True)
    said: Answer[T] = Answer(
        code=code, sub_code=sub_code, text=text, meaning=codes.meaning(method, code, sub_code)
    )
    if not node.is_verified:
        return replace(
            said, may_repeat=True,
            why=BadSignature("The channel's error is not signed; it proves nothing."),
        )
    said = replace(said, is_verified=True)
    taken = on_success if code in accepts and sub_code is None else None
    return _counted(node, said, taken, asked or {}, on_code or {})


def _counted(
    node: Node,
    said: Answer[T],
    on_success: Callable[[Node], Reading[T]] | None,
    asked: Mapping[str, str],
    on_code: Mapping[str, T],
) -> Answer[T]:
    """What a verified node says, if it is about what was asked."""
    is_success = on_success is not None
    meaning = said.meaning
    data = on_code.get(codes.bare(said.sub_code or "")) if said.code == FAILED else None
    is_known = data is not None or (meaning is not None and meaning.is_known)
    try:
        for name, value in asked.items():
            same(node, name, value)
        if on_success is not None:
            data, is_known = on_success(node)
    except MdashError as error:
        return Answer(is_verified=True, may_repeat=True, why=error)
    return replace(
        said, data=data, is_known=is_known, is_success=is_success, noted=_noted(node, is_success),
        may_repeat=not is_known and meaning is not None and meaning.may_repeat,
    )


def _harmless(text: str | None, keys: Credentials) -> str | None:
    """The channel's own words without secrets: some errors echo the whole request."""
    if text is None:
        return None
    if keys.app_auth_token:
        text = text.replace(keys.app_auth_token, "***")
    return _PERSONAL.sub(r"\1***", text)[:_LONGEST_TEXT]


def _noted(node: Node, is_success: bool) -> dict[str, str]:
    """What the call log keeps: of an error its codes, since its other fields mean nothing."""
    names = _NOTED if is_success else _NOTED[:2]
    if not is_success and node.fields.get("code") in (SUCCESS, WAITING):
        return {}
    found = {name: node.fields.get(name) for name in names}
    return {
        name: value for name, value in found.items() if isinstance(value, str) and len(value) < 256
    }


def same(node: Node, name: str, asked: str) -> None:
    """Refuse a reply that names another order, trade or request than was asked about."""
    said = node.text(name)
    if asked and said is not None and said != asked:
        raise RefusedInput("The reply is about another {field} than was asked about.", field=name)


def named(node: Node, asked: Mapping[str, str]) -> None:
    """Refuse a reply that names none of what was asked about, or another."""
    for name, value in asked.items():
        same(node, name, value)
    if not any(value and node.text(name) == value for name, value in asked.items()):
        raise RefusedInput("The reply does not say which order it is about.")


def masked_logon(text: str | None) -> str | None:
    """A buyer's login name that no longer gives the person away."""
    if text is None or "*" in text:
        return text
    match = _LOGON.match(text)
    return f"{match.group(1)}***{match.group(2) or ''}" if match else "***"
