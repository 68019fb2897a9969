"""WeChat Pay's replies: verified as they came, then read; whatever is wrong leaves the outcome unknown.

Source: documents of API v3 on verifying signatures and on error answers.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Generic, TypeVar

from loaders.channels.protocol import Reply
from loaders.channels.wechatpay import codes, meanings, verification
from loaders.channels.wechatpay.credentials import Credentials
from loaders.errors import BadSignature, MdashError, RefusedInput
from loaders.records import EARLIEST, LATEST, Answer, CodeMeaning

T = TypeVar("T")
NOT_A_REPLY = "What came back is not a reply of the channel (HTTP {status})."
NO_ANSWER = "The reply holds no answer to this request."
_DAMAGED = "The reply is damaged."
_OTHER_SHOP = "The reply is about another shop's trade."
_LONGEST_TEXT = 1000
_NOTED = (
    "out_trade_no", "transaction_id", "trade_state", "success_time", "out_refund_no", "status",
)


@dataclass(frozen=True, slots=True)
class Node:
    """The fields of an answer."""

    fields: Mapping[str, Any]

    def text(self, name: str) -> str | None:
        """A field's text, None where it is absent or empty. Raises RefusedInput for anything else."""
        value = self.fields.get(name)
        if value is None or value == "":
            return None
        if not isinstance(value, str):
            raise RefusedInput("The reply's {field} is not a text.", field=name)
        return value

    def child(self, name: str) -> Node:
        """A field's object, empty if there is none."""
        value = self.fields.get(name)
        return Node(value if isinstance(value, dict) else {})

    def fen(self, name: str) -> int | None:
        """A whole number of fen of the answer's `amount`. Raises RefusedInput."""
        amount = self.child("amount").fields
        value = amount.get(name)
        if value is None:
            return None
        is_yuan = amount.get("currency", "CNY") == "CNY"
        if type(value) is not int or not 0 <= value < 10**15 or not is_yuan:
            raise RefusedInput("The reply's {field} is not an amount.", field=name)
        return int(value)

    def instant(self, name: str) -> datetime | None:
        """An RFC 3339 time as naive UTC. Raises RefusedInput."""
        text = self.text(name)
        if text is None:
            return None
        try:
            at = datetime.fromisoformat(text)
            offset = at.utcoffset()
            at = at.replace(tzinfo=None) - (timedelta(hours=8) if offset is None else offset)
        except (ValueError, OverflowError) as error:
            raise RefusedInput("The reply's {field} is not a time.", field=name) from error
        if not EARLIEST <= at <= LATEST:
            raise RefusedInput("The reply's {field} is not a time.", field=name)
        return at


def same(node: Node, name: str, asked: str) -> None:
    """Refuse a reply that names another order, trade or refund than was asked about."""
    said = node.text(name)
    if asked and said is not None and said != asked:
        raise RefusedInput("The reply is about another {field} than was asked about.", field=name)


def named(node: Node, asked: Mapping[str, str]) -> None:
    """Refuse a reply that names none of what was asked about, or another."""
    for name, value in asked.items():
        same(node, name, value)
    if not any(value and node.text(name) == value for name, value in asked.items()):
        raise RefusedInput("The reply does not say which order it is about.")


def ours(node: Node, keys: Credentials) -> None:
    """Refuse a reply about another shop or app."""
    mchid, appid = node.text("mchid"), node.text("appid")
    if mchid not in (None, keys.mchid) or (keys.appid and appid not in (None, keys.appid)):
        raise RefusedInput(_OTHER_SHOP)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise RefusedInput("The reply names a part twice, or is damaged.")
    return fields


def open_reply(reply: Reply, keys: Credentials) -> Node:
    """The fields of a verified reply; one without a body has none. Raises BadSignature, RefusedInput."""
    try:
        body = reply.body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise RefusedInput(NOT_A_REPLY, status=reply.status) from error
    is_ours = "wechatpay-signature" in reply.headers
    if not is_ours and not body.lstrip().startswith("{"):
        raise RefusedInput(NOT_A_REPLY, status=reply.status)
    verification.verify(reply.headers, body, keys.public_keys, reply.received_at)
    if not body:
        return Node({})
    try:
        fields = json.loads(body, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise RefusedInput(_DAMAGED) from error
    if not isinstance(fields, dict):
        raise RefusedInput(_DAMAGED)
    return Node(fields)


@dataclass(frozen=True, slots=True)
class Reading(Generic[T]):
    """What a reply says, whether that settles what became of the request, and what it means."""

    data: T | None
    is_known: bool = True
    is_success: bool = True
    meaning: CodeMeaning | None = None


def read(
    reply: Reply,
    method: str,
    keys: Credentials,
    on_success: Callable[[Node], Reading[T]],
    on_code: Mapping[str, Reading[T]] | None = None,
) -> Answer[T]:
    """The answer in a reply. Whatever is wrong with it, the outcome is unknown, never guessed.

    `on_code` holds codes that are an answer in themselves.
    """
    try:
        node = open_reply(reply, keys)
    except BadSignature as error:
        return replace(_unsigned(reply, method), why=error)
    except MdashError as error:
        return Answer(why=error, may_repeat=True)
    try:
        if reply.status in (200, 202, 204):
            return _counted(node, on_success(node))
        return _refused(reply, node, method, on_code or {})
    except MdashError as error:
        return Answer(is_verified=True, may_repeat=True, why=error)


def _counted(node: Node, found: Reading[T]) -> Answer[T]:
    return Answer(
        data=found.data, is_known=found.is_known, is_success=found.is_success, is_verified=True,
        meaning=found.meaning, noted=_noted(node),
    )


def _noted(node: Node) -> dict[str, str]:
    """What the call log keeps of an answer."""
    found = {name: node.fields.get(name) for name in _NOTED}
    total = node.child("amount").fields.get("total")
    if type(total) is int:
        found["amount"] = json.dumps({"total": total})
    return {
        name: value for name, value in found.items() if isinstance(value, str) and len(value) < 256
    }


def _refused(
    reply: Reply, node: Node, method: str, on_code: Mapping[str, Reading[T]]
) -> Answer[T]:
    """An error that the channel signed. One of its own (5xx) settles nothing, whatever it says."""
    code = node.text("code")
    if code is None:
        raise RefusedInput(NO_ANSWER)
    meaning = codes.meaning(method, code, None)
    said: Answer[T] = Answer(
        is_verified=True, code=code, text=_short(node), meaning=meaning, noted={"code": code[:64]}
    )
    found = on_code.get(meanings.bare(code)) if reply.status < 500 else None
    if found is not None:
        return replace(said, data=found.data, is_known=found.is_known)
    is_known = meaning.is_known and reply.status < 500
    return replace(said, is_known=is_known, may_repeat=not is_known and (
        meaning.may_repeat or reply.status >= 500
    ))


def _unsigned(reply: Reply, method: str) -> Answer[Any]:
    """An error nobody signed shows its code, and proves nothing."""
    try:
        fields = json.loads(reply.body)
    except (ValueError, RecursionError):
        fields = None
    if reply.status < 400 or not isinstance(fields, dict) or not isinstance(fields.get("code"), str):
        return Answer(may_repeat=True)
    code = str(fields["code"])[:64]
    return Answer(
        may_repeat=True, code=code, text=_short(Node(fields)), meaning=codes.meaning(method, code, None)
    )


def _short(node: Node) -> str | None:
    text = node.fields.get("message")
    return text[:_LONGEST_TEXT] if isinstance(text, str) else None
