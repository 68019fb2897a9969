"""`mdash user`: accounts and roles from the command line."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from dashboard.terminal import Context, print_json, table_text

if TYPE_CHECKING:
    from dashboard.identity.accounts import Accounts
    from dashboard.identity.rights import Person

_AS = click.option("--as", "actor", help="The administrator who does this.")


@click.group()
def user() -> None:
    """Accounts: who may sign in, and with which role."""


@user.command()
@click.argument("name")
@click.option("--role", required=True, help="viewer, analyst, operator, approver, admin or your own.")
@click.option("--password-file", type=click.Path(path_type=Path, dir_okay=False),
              help="Its first line is the password. Default: the first line of standard input.")
@_AS
@click.pass_obj
def add(
    context: Context, name: str, role: str, password_file: Path | None, actor: str | None
) -> None:
    """Add an account. The first is an admin's and needs no --as."""
    accounts = _accounts(context)
    acting = None if actor is None and accounts.is_empty else _named(context, actor, name)
    accounts.add(acting, name, role, _password(password_file))
    _say(context, "The account {name} was added.", name=name)


@user.command()
@click.argument("name")
@click.argument("role", required=False)
@click.option("--role", "named", help="The same as ROLE.")
@_AS
@click.pass_obj
def role(
    context: Context, name: str, role: str | None, named: str | None, actor: str | None
) -> None:
    """Give an account another role."""
    wanted = role or named
    if not wanted:
        raise click.UsageError("Give the role.")
    accounts = _accounts(context)
    accounts.set_role(_named(context, actor, name), name, wanted)
    _say(context, "{name} now has the role {role}.", name=name, role=wanted)


@user.command()
@click.argument("name")
@_AS
@click.pass_obj
def disable(context: Context, name: str, actor: str | None) -> None:
    """Close an account; its sessions end at once."""
    accounts = _accounts(context)
    accounts.disable(_named(context, actor, name), name)
    _say(context, "The account {name} was disabled.", name=name)


@user.command()
@click.argument("name")
@_AS
@click.pass_obj
def enable(context: Context, name: str, actor: str | None) -> None:
    """Open a closed account again."""
    accounts = _accounts(context)
    accounts.enable(_named(context, actor, name), name)
    _say(context, "The account {name} was enabled.", name=name)


@user.command()
@click.argument("name")
@click.option("--without-second-factor", is_flag=True, help="Forget a lost authenticator, too.")
@_AS
@click.pass_obj
def reset(context: Context, name: str, without_second_factor: bool, actor: str | None) -> None:
    """Print a code, good for a day, with which the person chooses a password at /password."""
    accounts = _accounts(context)
    code = accounts.reset(
        _named(context, actor, name), name, drops_totp=without_second_factor
    )
    _say(context, "Give this code to {name}; it is used at /password of the dashboard.", name=name)
    click.echo(code)


@user.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_obj
def list_(context: Context, as_json: bool) -> None:
    """Every account and its role."""
    from dashboard.wording.formats import iso

    zone = context.settings().shop.timezone
    rows = [
        {
            "name": item.name, "role": item.role, "active": item.is_active,
            "second_factor": item.has_totp,
            "signed_in_at": iso(item.signed_in_at, zone) if item.signed_in_at else None,
        }
        for item in _accounts(context).accounts()
    ]
    if as_json:
        print_json({"accounts": rows})
    else:
        click.echo(table_text(["name", "role", "active", "second_factor", "signed_in_at"], rows))


def _accounts(context: Context) -> Accounts:
    from dashboard.identity.accounts import Accounts
    from dashboard.operations.ledger import Ledger

    return Accounts(Ledger(context.settings()))


def _named(context: Context, actor: str | None, subject: str) -> Person:
    """Who is said to do this; whether they may is found, and written down, when it is done."""
    from dashboard.identity.rights import LOCAL, NOBODY, Person
    from dashboard.operations import audit
    from dashboard.operations.ledger import Ledger
    from loaders.errors import Forbidden

    if actor is None:
        refused = Forbidden("There are accounts already: say which administrator does this.")
        audit.record(Ledger(context.settings()), LOCAL.name, "refused", subject, why=refused.template)
        raise refused
    return Person(actor, NOBODY.role)


def _password(file: Path | None) -> str:
    """The first line of the file, or of standard input, which is asked for at a terminal."""
    import sys

    from loaders.errors import ConfigurationError

    if file is None:
        if sys.stdin.isatty():
            return str(click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True))
        return sys.stdin.readline().rstrip("\r\n")
    try:
        with file.open(encoding="utf-8") as opened:
            return opened.readline().rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            "The password file {path} cannot be read: {why}.", path=str(file),
            why=getattr(error, "strerror", None) or type(error).__name__,
        ) from error


def _say(context: Context, template: str, **values: object) -> None:
    from dashboard.wording import translate

    click.echo(translate(context.settings().shop.language, template, **values), err=True)
