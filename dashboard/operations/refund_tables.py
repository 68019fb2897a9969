"""The ledger's tables of refunds."""

from __future__ import annotations
