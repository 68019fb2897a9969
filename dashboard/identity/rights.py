"""What a person may do: rights, the roles that give them, and the check made when acting."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, get_args

from loaders.errors import Forbidden

Right = Literal["see", "query", "refund", "approve", "export", "unmask", "load", "administer"]
RIGHTS: tuple[Right, ...] = get_args(Right)


@dataclass(frozen=True, slots=True)
class Role:
    """Rights under a name.

    A limit of None is none; it bounds one refund asked for, or one approved. `stores` of None are
    all stores; otherwise a trade of another store, or of none, is out of reach for acting.
    """

    name: str
    rights: frozenset[Right]
    refund_limit_fen: int | None = None
    approve_limit_fen: int | None = None
    stores: frozenset[str] | None = None

    def covers(self, other: Role) -> bool:
        """True if this role holds everything that the other gives.

        A limit of this role only counts where the other has a right that it bounds.
        """
        acts = other.rights & {"query", "refund", "approve", "unmask"}
        return (
            other.rights <= self.rights
            and ("refund" not in acts or _within(other.refund_limit_fen, self.refund_limit_fen))
            and ("approve" not in acts or _within(other.approve_limit_fen, self.approve_limit_fen))
            and (not acts or self.stores is None or _among(other.stores, self.stores))
        )


def _within(limit_fen: int | None, bound_fen: int | None) -> bool:
    return bound_fen is None or (limit_fen is not None and limit_fen <= bound_fen)


def _among(stores: frozenset[str] | None, bound: frozenset[str]) -> bool:
    return stores is not None and stores <= bound


def _role(name: str, *rights: Right) -> Role:
    return Role(name, frozenset(rights))


ROLES: dict[str, Role] = {
    role.name: role
    for role in (
        _role("viewer", "see"),
        _role("analyst", "see", "export"),
        _role("operator", "see", "query", "refund"),
        _role("approver", "see", "query", "refund", "approve", "export", "unmask"),
        _role("admin", *RIGHTS),
    )
}
"""The roles every home has."""


@dataclass(frozen=True, slots=True)
class Person:
    """Who answers for an act, with the role held at that moment."""

    name: str
    role: Role

    def may(self, right: Right) -> bool:
        """True if the role gives the right."""
        return right in self.role.rights

    def demand(self, right: Right, store: str | None = None, *, any_store: bool = True) -> None:
        """Raise Forbidden without the right, or for a trade of a store that is not the role's."""
        if not self.may(right):
            raise Forbidden(
                "{name} does not have the right to do this ({right}). Ask an administrator.",
                name=self.name, right=right,
            )
        stores = self.role.stores
        if not any_store and stores is not None and store not in stores:
            raise Forbidden(
                "{name} may not act on trades of this store. Ask an administrator.", name=self.name
            )


LOCAL = Person("local", Role("local", frozenset(RIGHTS) - {"refund", "approve", "administer"}))
"""Who works at the machine itself: its login is trusted, except where somebody must answer."""
NOBODY = Person("nobody", Role("nobody", frozenset()))
"""Whoever is not signed in."""
SYSTEM = Person("system", Role("system", frozenset(("see", "query"))))
"""The program's own schedule."""


def rights_of(names: Iterable[str]) -> frozenset[Right]:
    """The rights among these names. Raises Forbidden for a name that is none."""
    wanted = frozenset(names)
    unknown = sorted(wanted - set(RIGHTS))
    if unknown:
        raise Forbidden("There is no right {name}.", name=unknown[0])
    return frozenset(right for right in RIGHTS if right in wanted)
