"""What a channel is: a name, a title and up to four parts, each a module of the same shape.

Every part is pure: bytes, keys and settings are given, records are returned.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Literal, Protocol

from loaders.errors import ConfigurationError
from loaders.records import (
    Answer,
    BillFrame,
    BillTerms,
    CodeMeaning,
    Notification,
    Outcome,
    RefundRules,
    Reject,
)

RESAVED = (
    "This bill was opened and saved by Excel, which damages long numbers and times. Download it"
    " again and load the file as it is."
)
FieldType = Literal["text", "money", "fee", "time"]


@dataclass(frozen=True, slots=True)
class Sample:
    """The beginning and end of a file, enough to tell what it is. `tail` may overlap `head`."""

    name: str
    head: bytes
    tail: bytes
    size: int


@dataclass(frozen=True, slots=True)
class Case:
    """Rows in which a field stands elsewhere: where the column `header` holds one of `texts`."""

    header: str
    texts: tuple[str, ...]
    headers: tuple[str, ...]
    is_negated: bool = False


@dataclass(frozen=True, slots=True)
class BillField:
    """One field of a bill's rows: the header texts it appears under, and its type.

    `absent` is what the channel writes where there is nothing. In rows that `case` picks the field
    is read from the case's column, if this set of columns has it. Negated are amounts whose sign
    the channel writes the other way: ours is negative for what the shop pays. `words` are the
    channel's texts in ours; any other text is `other`.
    """

    name: str
    headers: tuple[str, ...]
    type: FieldType = "text"
    required: bool = False
    absent: str = ""
    is_negated: bool = False
    case: Case | None = None
    words: tuple[tuple[str, str], ...] = ()


NOT_BACK = ("closed", "stuck")
"""States of a bill's refund whose money did not reach the buyer: its kind is `refund_closed` or
`refund_stuck`, which no sum of refunds counts."""


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """What a channel wants to hear after a message: the body and its type."""

    body: bytes
    media_type: str


class BillPart(Protocol):
    """A channel's `bills.py`."""

    FIELDS: Mapping[str, Sequence[BillField]]
    KINDS: Mapping[str, Mapping[str, str]]
    TIME_OFFSET_S: int
    CELL_PREFIX: str

    def recognises(self, sample: Sample) -> str | None:
        """The kind of bill this is, or None. Raises RefusedInput for known wrong files."""

    def encoding(self, sample: Sample) -> str:
        """The codec of the file's text."""

    def frame(self, sample: Sample, kind: str) -> BillFrame:
        """Identity, span, header and totals. Raises RefusedInput when truncated or re-saved."""

    def identity(self, sample: Sample) -> tuple[str | None, date | None, date | None]:
        """Account, first and last day that a bill or a summary names. Raises RefusedInput."""

    def cut(self, rows: bytes, line: int, frame: BillFrame) -> tuple[bytes, list[Reject]]:
        """Whole rows as cells parted by `,` and CELL_PREFIX, as most channels write them anyway.

        `line` is the number of the first. A row that cannot be cut leaves an empty line, and is
        among the rejects.
        """

    def mend(self, cells: list[str], columns: Sequence[str]) -> list[str] | None:
        """Cells of a row whose count is off, put right; None if that cannot be told."""

    def check_summary(self, sample: Sample, totals: Mapping[str, int]) -> str | None:
        """What in the summary member contradicts the detail's totals, or None."""


class NotificationPart(Protocol):
    """A channel's `notifications.py`."""

    @property
    def RETRY_LADDER_S(self) -> Sequence[int]:  # noqa: N802
        """Seconds after a payment at which delivery 2, 3, … is due."""

    @property
    def ACCEPTED(self) -> Acknowledgement:  # noqa: N802
        """The answer after which the channel does not send a message again."""

    @property
    def REFUSED(self) -> Acknowledgement:  # noqa: N802
        """An answer after which the channel sends the message again."""

    @property
    def SIGNED_HEADERS(self) -> Sequence[str]:  # noqa: N802
        """Headers (lower case) that `read` needs beside the body."""

    def read_keys(self, config: Mapping[str, Any], read: Callable[[str], bytes]) -> Any:
        """Verification keys and identity from the channel's settings. Raises ConfigurationError."""

    def read(
        self,
        headers: Mapping[str, str],
        message: str | Mapping[str, Any],
        keys: Any,
        received_at: datetime | None = None,
    ) -> Notification:
        """Verify and read one message: its body as received, or the fields a shop logged.

        Header names are in lower case. `received_at` (naive UTC) is when it came, if known.
        Raises BadSignature or RefusedInput.
        """

    def persons(self, body: str, keys: Any) -> Mapping[str, str]:
        """What a verified message's body says of its buyer: `payer_id`, `payer_logon`."""

    def is_message(self, message: str | Mapping[str, Any]) -> bool:
        """True if this body, or fields of these names, is a message of this channel."""


class CodePart(Protocol):
    """A channel's `codes.py`."""

    @property
    def PRODUCT_KINDS(self) -> Mapping[str, str]:  # noqa: N802
        """The channel's products in words that channels share: app, mobile_page, qr_code, counter."""

    def answer(
        self, method: str | None, reached: bool, code: str | None, sub_code: str | None
    ) -> Outcome:
        """What the channel's answer to an attempt means."""

    def is_payment_call(self, method: str | None) -> bool:
        """True for a call that tries to be paid; queries, refunds and closes are none."""

    def is_call(self, method: str) -> bool:
        """True if this is the name of a call of this channel's API."""

    def read_call(self, call: Mapping[str, Any]) -> dict[str, Any]:
        """One line of a raw API call log as an attempt's fields. Raises ValueError."""

    def meaning(self, method: str | None, code: str | None, sub_code: str | None) -> CodeMeaning:
        """What a code says, and what staff should do; codes nobody mapped are unknown."""


@dataclass(frozen=True, slots=True)
class Stamp:
    """When (naive UTC) and under which 16 random bytes a message is made."""

    at: datetime
    nonce: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Message:
    """A request, signed and ready to be sent. `method` is the channel's own name of the call.

    `may_repeat`: sent twice it does what it does once. `noted` is what the call log may keep.
    """

    channel: str
    method: str
    verb: Literal["GET", "POST"]
    url: str = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)
    may_repeat: bool = False
    moves_money: bool = False
    noted: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back, byte for byte; names of headers are in lower case.

    `received_at` (naive UTC) is when, where that is known.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    received_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """One thing that can be asked of a channel: the record it takes, and its two halves."""

    takes: type[Any]
    ask: Callable[[Any, Any, Stamp], Message]
    read: Callable[[Reply, Any, Any], Answer[Any]]


class RemotePart(Protocol):
    """A channel's `trade.py`: messages and what is made of the replies; nothing is sent here.

    `CALLS` has the same names in every channel: query, refund, refund_query, close, cancel,
    precreate, create, pay, split, split_query, bill, account_log, balance. A channel leaves out
    what it does not offer.
    """

    CALLS: Mapping[str, Call]
    BILL_TERMS: BillTerms

    def read_keys(self, config: Mapping[str, Any], read: Callable[[str], bytes]) -> Any:
        """Everything needed to ask the channel. Raises ConfigurationError saying how to mend it."""

    def concerns(
        self, config: Mapping[str, Any], read: Callable[[str], bytes], at: datetime
    ) -> Sequence[ConfigurationError]:
        """What may not work at this instant although the keys can be read, and how to mend it."""

    def download_headers(self, url: str, keys: Any, stamp: Stamp) -> Mapping[str, str]:
        """What the address of a bill wants to be asked with."""


@dataclass(frozen=True, slots=True)
class Channel:
    """A payment company, as far as this program speaks its language.

    `app_setting` and `account_setting` are the keys of its settings that say who the shop is: its
    app, and the account of bills that do not name it themselves. `address_setting` and
    `key_setting` say where it is asked and what our requests are signed with. `refund_wait` is the
    channel's own word to buyers on how long a refund takes.
    """

    name: str
    title: str
    app_setting: str
    account_setting: str
    address_setting: str = ""
    key_setting: str = ""
    refund_rules: RefundRules = field(default_factory=RefundRules)
    refund_wait: str = ""
    bills: BillPart | None = None
    notifications: NotificationPart | None = None
    codes: CodePart | None = None
    remote: RemotePart | None = None
