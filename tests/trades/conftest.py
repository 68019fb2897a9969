"""A small shop: orders in every state, told by its logs, notifications and one bill."""

from __future__ import annotations

from pathlib import Path

import pytest

from loaders.settings import load_settings
from loaders.tail import load_new
from tests.conftest import run_mdash
from tests.store.messages import attempt, body, envelope, fields, order

LOGON, BUYER = "zhangsan@example.com", "2088000000000099"


def lines() -> list[str]:
    """What the checkout wrote: M1 and M2 by one buyer, and M3 whose payment never came."""
    made = []
    for number in (1, 2, 3):
        name = f"M{number}"
        made += [order(name, buyer=f"ann{number // 3}"), attempt(name)]
    made.append(order("M4", expires_at="2099-01-01T00:00:00+08:00"))
    return made


def heard(key: bytes) -> list[str]:
    """What the channel sent: M1 and M2 paid, M3 with another amount, and more than is needed."""
    personal = {"buyer_logon_id": LOGON, "buyer_id": BUYER, "receipt_amount": "88.88"}
    return [
        envelope(body(key, fields("M1", **personal))),
        envelope(body(key, fields("M1", **personal)), "2026-05-03T12:04:31+08:00"),
        envelope(body(key, fields("M2", gmt_payment="2026-05-03 12:02:00", **personal))),
        envelope(body(key, fields("M3", total_amount="1.00", **personal))),
    ]


@pytest.fixture(scope="module")
def desk_home(
    tmp_path_factory: pytest.TempPathFactory, fresh_home: Path, channel_key: bytes
) -> Path:
    """The shop's home, its notifications in the durable log."""
    import shutil

    folder = tmp_path_factory.mktemp("desk")
    home = Path(shutil.copytree(fresh_home, folder / "home"))
    log = folder / "checkout.jsonl"
    log.write_text("\n".join(lines()) + "\n", "utf-8")
    assert run_mdash(home, "load", str(log)).code == 0
    (home / "notifications").mkdir()
    (home / "notifications" / "2026-05-03.1.0001.jsonl").write_text(
        "".join(f"{line}\n" for line in heard(channel_key)), "utf-8"
    )
    load_new(load_settings(home))
    return home
