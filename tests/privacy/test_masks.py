"""What is masked, and what must never be: cards by issuer and Luhn; ids of trades and orders stay."""

from __future__ import annotations

from datetime import date
from urllib.parse import urlencode

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loaders.privacy import (
    CARD_HINT,
    HINT,
    holds_card,
    is_card,
    mask_cards,
    mask_logon,
    mask_name,
    mask_personal,
    without_persons,
)

ISSUED = [
    ("4", 16), ("4", 13), ("4", 19), ("51", 16), ("2221", 16), ("34", 15), ("36", 14), ("62", 16),
    ("62", 19), ("81", 17), ("3528", 16), ("6011", 16), ("2204", 16), ("9558", 19), ("6304", 18),
]


def luhn(digits: str) -> str:
    """The digits and the last one that makes them a card's."""
    return next(digits + str(last) for last in range(10) if _is_even(digits + str(last)))


def _is_even(number: str) -> bool:
    total = 0
    for place, sign in enumerate(reversed(number)):
        value = int(sign) * (2 if place % 2 else 1)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


@st.composite
def cards(draw: st.DrawFn) -> str:
    prefix, length = draw(st.sampled_from(ISSUED))
    size = length - len(prefix) - 1
    return luhn(prefix + draw(st.text("0123456789", min_size=size, max_size=size)))


TEXT = st.text(st.characters(codec="utf-8", exclude_categories=("Nd", "Cs")), max_size=12)


@settings(max_examples=200, deadline=None)
@given(cards(), TEXT, TEXT)
def test_every_card_is_masked_wherever_it_stands(card: str, before: str, after: str) -> None:
    text = before + card + after
    found = mask_personal(text)
    assert card not in found
    assert card[-4:] in found
    assert holds_card(text)
    assert not holds_card(found)
    assert duckdb.execute("select regexp_matches(?, ?)", [text, CARD_HINT]).fetchone() == (True,)


@settings(max_examples=100, deadline=None)
@given(cards().filter(lambda card: len(card) in (16, 19)), st.sampled_from(" -"))
def test_a_card_in_groups_or_full_width_is_masked(card: str, between: str) -> None:
    grouped = between.join(card[at : at + 4] for at in range(0, len(card), 4))
    wide = card.translate({ord(sign): ord(sign) + 0xFEE0 for sign in "0123456789"})
    for text in (grouped, wide):
        assert holds_card(text)
        assert mask_cards(f"卡{text}号") != f"卡{text}号"


BESIDE = st.sampled_from(["", "6011", "12/28", "123", "12/28 737", "6222 0201", "1", "20260503", "00"])


@settings(max_examples=300, deadline=None)
@given(
    cards().filter(lambda card: len(card) in (16, 19)),
    st.sampled_from([" ", "-", ".", "  ", "－", "　"]), BESIDE, BESIDE,
)
def test_a_card_is_masked_whatever_digits_stand_beside_it(
    card: str, between: str, before: str, after: str
) -> None:
    grouped = between.join(card[at : at + 4] for at in range(0, len(card), 4))
    for number in (grouped, card):
        for text in (f"{before} {number} {after}".strip(), f"卡{before}-{number}.{after}。"):
            found = mask_personal(text)
            assert holds_card(text)
            assert number not in found
            assert not holds_card(found)
            assert mask_personal(found) == found
            assert duckdb.execute("select regexp_matches(?, ?)", [text, HINT]).fetchone() == (True,)


@settings(max_examples=300, deadline=None)
@given(st.dates(date(2000, 1, 1), date(2029, 12, 31)), st.integers(0, 10**20 - 1))
def test_a_trade_s_number_is_never_a_card(day: date, rest: int) -> None:
    """Alipay's trade numbers have 28 digits and begin with a day, WeChat Pay's 28 and with 42000."""
    for number in (f"{day:%Y%m%d}{rest:020}", f"42000{rest:020}123", f"2088{rest % 10**12:012}",
                   f"{day:%Y%m%d}{rest % 10**8:08}", f"{day:%Y%m%d}{rest % 10**11:011}"):
        assert mask_personal(number) == number


@settings(max_examples=200, deadline=None)
@given(cards(), st.text("0123456789", min_size=1, max_size=12))
def test_digits_within_a_longer_number_are_none(card: str, more: str) -> None:
    if len(card + more) > 19:
        assert mask_cards(card + more) == card + more
        assert mask_cards(more + card) == more + card


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=40))
def test_masking_again_changes_nothing_and_whatever_is_masked_was_hinted_at(text: str) -> None:
    found = mask_personal(text)
    assert mask_personal(found) == found
    if found != text:
        assert duckdb.execute("select regexp_matches(?, ?)", [text, HINT]).fetchone() == (True,)


@pytest.mark.parametrize(("text", "shown"), [
    ("话费充值13812345678元", "话费充值138****5678元"),
    ("+86 138-1234-5678", "+86 138-****-5678"),
    ("anna.li@example.com 收", "ann***@example.com 收"),
    ("159****5620", "159****5620"),
    ("订单20260503220014", "订单20260503220014"),
    ("1381234567", "1381234567"),
    ("4111 1111 1111 1112", "4111 1111 1111 1112"),
    ("4539-1488-0343-6467 12/28", "****-****-****-6467 12/28"),
    ("6011 4539 1488 0343 6467", "6011 **** **** **** 6467"),
    ("4539 1488 0343 6467 124", "**** **** **** 6467 124"),
    ("20260503-4539.1488.0343.6467", "20260503-****.****.****.6467"),
    ("４５３９－１４８８－０３４３－６４６７", "****－****－****－６４６７"),
    ("4539148803436467000001", "4539148803436467000001"),
])
def test_phones_and_mail_addresses(text: str, shown: str) -> None:
    assert mask_personal(text) == shown


@pytest.mark.parametrize(("text", "shown"), [
    ("13812345678", "138****5678"), ("anna.li@example.com", "ann***@example.com"),
    ("a@b.cn", "***@b.cn"), ("zhangsan", "zh***"), ("159****5620", "159****5620"),
])
def test_logon_ids_as_the_channel_shows_them(text: str, shown: str) -> None:
    assert mask_logon(text) == shown


@pytest.mark.parametrize(("text", "shown"), [
    ("张三丰", "**丰"), ("Anna Li", "A*** L***"), ("**丰", "**丰"), ("", ""),
])
def test_names(text: str, shown: str) -> None:
    assert mask_name(text) == shown


def test_a_number_of_no_issuer_is_no_card() -> None:
    assert not is_card(luhn("999999999999999"))
    assert not is_card(luhn("208812345678901"))


@pytest.mark.parametrize("text", [
    "13812345678", "anna.li@example.com", "2088000000000099", "anna", "张三", "4111111111111111",
])
def test_an_address_to_come_back_to_names_no_person(text: str) -> None:
    query = urlencode({"lang": "zh", "id": text})
    assert without_persons(query) == "lang=zh"


@pytest.mark.parametrize("text", [
    "M1", "2026050322001437561234567890", "ORD-20260503_7", "b" + "0a" * 10,
])
def test_an_address_to_come_back_to_keeps_an_order_s_number(text: str) -> None:
    query = urlencode({"lang": "zh", "id": text})
    assert without_persons(query) == query
