"""Sending a message: a signed POST to a webhook, or a mail through an SMTP server."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import json
import re
import smtplib
import ssl
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import formatdate
from typing import Any
from urllib.parse import urlsplit

import httpx

from loaders.errors import ConfigurationError, DeliveryFailed
from loaders.settings import Mail, Settings

TIMEOUT_S = 15
SIGNATURE, DELIVERY = "Mdash-Signature", "Mdash-Delivery"
_ADDRESS = re.compile(r"[^@\s,;:<>()\"\\]{1,64}@[A-Za-z0-9.-]{1,189}")


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that goes with a mail; text is UTF-8."""

    name: str
    media_type: str
    content: bytes


def post_webhook(settings: Settings, delivery: str, document: Mapping[str, Any]) -> None:
    """POST a JSON document, signed. Redirects are not followed. Raises DeliveryFailed.

    `Mdash-Signature: t=<unix seconds>,v1=<hex HMAC-SHA256 of "<t>.<body>">` under the secret;
    `Mdash-Delivery` is the same whenever the same message is sent again.
    """
    url = webhook_url(settings)
    body = json.dumps(document, ensure_ascii=False).encode()
    headers = {"Content-Type": "application/json", DELIVERY: delivery}
    if secret := webhook_secret(settings):
        headers[SIGNATURE] = signature(secret, int(time.time()), body)
    try:
        with (
            httpx.Client(timeout=TIMEOUT_S, follow_redirects=False) as client,
            client.stream("POST", url, content=body, headers=headers) as response,
        ):
            status = response.status_code
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        raise DeliveryFailed(
            "The webhook could not be reached: {why}.", why=type(error).__name__
        ) from None
    if not 200 <= status < 300:
        raise DeliveryFailed("The webhook answered {status}.", status=status)


def signature(secret: bytes, at: int, body: bytes) -> str:
    """The signature header of a body at a Unix time."""
    digest = hmac.new(secret, f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={at},v1={digest}"


def webhook_url(settings: Settings) -> str:
    """The webhook's address: https, or this machine's own. Raises ConfigurationError."""
    url = settings.alerts.webhook_url
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        host = ""
    if not host or not (parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(host))):
        raise ConfigurationError(
            "mdash.toml: alerts.webhook_url begins with https:// (http:// only to this machine)."
        )
    return url


def webhook_secret(settings: Settings) -> bytes | None:
    """The secret that signs webhooks, from its file or the environment; None: not signed."""
    alerts = settings.alerts
    if alerts.webhook_secret is not None:
        return alerts.webhook_secret.get_secret_value().encode()
    if not alerts.webhook_secret_file:
        return None
    secret = settings.read_file(alerts.webhook_secret_file).strip()
    if not secret:
        raise ConfigurationError(
            "The file {path}, named in mdash.toml, is empty.", path=alerts.webhook_secret_file
        )
    return secret


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def send_mail(
    settings: Settings,
    delivery: str,
    recipient: str,
    subject: str,
    text: str,
    html: str | None = None,
    attachments: Sequence[Attachment] = (),
) -> None:
    """Send one mail to one person. Raises DeliveryFailed, ConfigurationError."""
    mail = settings.mail
    message = _message(mail, delivery, address(recipient), subject, text, html, attachments)
    password = _password(settings)
    try:
        with _server(settings) as server:
            if mail.smtp_user:
                server.login(mail.smtp_user, password)
            server.send_message(message)
    except smtplib.SMTPResponseException as error:
        raise DeliveryFailed("The mail server answered {status}.", status=error.smtp_code) from None
    except smtplib.SMTPRecipientsRefused as error:
        codes = {code for code, _ in error.recipients.values()}
        raise DeliveryFailed(
            "The mail server answered {status}.", status=", ".join(map(str, codes))
        ) from None
    except (OSError, smtplib.SMTPException) as error:
        raise DeliveryFailed(
            "The mail server could not be reached: {why}.", why=type(error).__name__
        ) from None


def address(text: str) -> str:
    """A mail address as it is used. Raises ConfigurationError."""
    if not _ADDRESS.fullmatch(text):
        raise ConfigurationError("{address} is not a mail address.", address=repr(text[:80]))
    return text


def _message(
    mail: Mail, delivery: str, recipient: str, subject: str, text: str, html: str | None,
    attachments: Sequence[Attachment],
) -> EmailMessage:
    message = EmailMessage()
    message["Subject"] = " ".join(subject.split())
    message["From"] = sender = address(mail.mail_from)
    message["To"] = recipient
    message["Date"] = formatdate()
    message["Message-ID"] = f"<{delivery}@{sender.rpartition('@')[2]}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(text)
    if html is not None:
        message.add_alternative(html, subtype="html")
    for item in attachments:
        main, _, sub = item.media_type.partition("/")
        message.add_attachment(
            item.content, maintype=main, subtype=sub, filename=item.name,
            params={"charset": "utf-8"} if main == "text" else {},
        )
    return message


def _server(settings: Settings) -> smtplib.SMTP:
    mail = settings.mail
    if not mail.smtp_host:
        raise ConfigurationError("Set smtp_host and mail_from under [mail] in mdash.toml.")
    if mail.smtp_security == "none" and not _is_loopback(mail.smtp_host):
        raise ConfigurationError(
            "mdash.toml: mail.smtp_security is 'none' only for a mail server on this machine."
        )
    if mail.smtp_security == "none":
        return smtplib.SMTP(mail.smtp_host, mail.smtp_port, timeout=TIMEOUT_S)
    authority = str(settings.file(mail.smtp_ca_file)) if mail.smtp_ca_file else None
    context = ssl.create_default_context(cafile=authority)
    if mail.smtp_security == "ssl":
        return smtplib.SMTP_SSL(
            mail.smtp_host, mail.smtp_port, timeout=TIMEOUT_S, context=context
        )
    server = smtplib.SMTP(mail.smtp_host, mail.smtp_port, timeout=TIMEOUT_S)
    try:
        server.starttls(context=context)
    except BaseException:
        server.close()
        raise
    return server


def _password(settings: Settings) -> str:
    mail = settings.mail
    if mail.smtp_password is not None:
        return mail.smtp_password.get_secret_value()
    if not mail.smtp_password_file:
        return ""
    lines = settings.read_file(mail.smtp_password_file).decode("utf-8", "replace").splitlines()
    return lines[0] if lines else ""
