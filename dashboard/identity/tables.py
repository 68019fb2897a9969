"""The ledger's tables of people: accounts, roles and sessions."""

from __future__ import annotations
