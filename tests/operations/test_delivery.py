"""Webhooks and mails over real connections of this machine: signed, bounded, without secrets."""

from __future__ import annotations

import hashlib
import hmac
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from dashboard.operations import outbox
from dashboard.operations.delivery import (
    Attachment,
    post_webhook,
    send_mail,
    webhook_secret,
    webhook_url,
)
from dashboard.operations.ledger import Ledger, now
from dashboard.operations.outbox import CLAIM, PAUSES, Envelope, counts, deliver, put
from loaders.errors import ConfigurationError, DeliveryFailed
from loaders.settings import Settings, load_settings
from tests.operations.conftest import Mailbox, Webhook, free_port, with_mail

SECRET = "whsec-0123456789"


def hooked(settings: Settings, webhook: Webhook) -> Settings:
    settings.home.mkdir(parents=True, exist_ok=True)
    (settings.home / "hook.txt").write_text(SECRET + "\n")
    settings.alerts.webhook_url = webhook.url
    settings.alerts.webhook_secret_file = "hook.txt"
    return settings


def test_a_webhook_is_signed_over_its_time_and_body(settings: Settings, webhook: Webhook) -> None:
    post_webhook(hooked(settings, webhook), "d1", {"event": "alert.raised", "text": "支付成功率下降"})
    [(headers, body)] = webhook.got
    fields = dict(part.split("=") for part in headers["Mdash-Signature"].split(","))
    wanted = hmac.new(SECRET.encode(), fields["t"].encode() + b"." + body, hashlib.sha256)
    assert hmac.compare_digest(fields["v1"], wanted.hexdigest())
    assert abs(int(fields["t"]) - datetime.now(UTC).timestamp()) < 60
    assert headers["Mdash-Delivery"] == "d1"
    assert headers["Content-Type"] == "application/json"
    assert webhook.documents() == [{"event": "alert.raised", "text": "支付成功率下降"}]
    assert SECRET not in str(headers)


@pytest.mark.parametrize("status", [302, 307, 400, 404, 500])
def test_anything_but_success_is_a_failure_and_redirects_lead_nowhere(
    settings: Settings, webhook: Webhook, status: int
) -> None:
    webhook.answers = [status]
    with pytest.raises(DeliveryFailed, match=str(status)) as caught:
        post_webhook(hooked(settings, webhook), "d1", {})
    assert len(webhook.got) == 1
    assert "hook" not in str(caught.value).replace("webhook", "")


@pytest.mark.parametrize(
    "url",
    ["", "http://example.com/x", "ftp://example.com", "https://", "http://127.0.0.1.example.com/",
     "http://10.0.0.1/x", "http://[::1", "file:///etc/passwd"],
)
def test_a_webhook_goes_over_https_or_stays_on_this_machine(settings: Settings, url: str) -> None:
    settings.alerts.webhook_url = url
    with pytest.raises(ConfigurationError):
        webhook_url(settings)


def test_a_webhook_nobody_answers_is_a_failure(settings: Settings) -> None:
    settings.alerts.webhook_url = f"http://127.0.0.1:{free_port()}/token-in-path"
    with pytest.raises(DeliveryFailed) as caught:
        post_webhook(settings, "d1", {})
    assert "token" not in str(caught.value)


def test_secrets_come_from_files_or_the_environment_and_are_not_shown(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MDASH_ALERTS__WEBHOOK_SECRET", "from-the-environment")
    monkeypatch.setenv("MDASH_MAIL__SMTP_PASSWORD", "also-secret")
    again = load_settings(settings.home)
    assert webhook_secret(again) == b"from-the-environment"
    assert "from-the-environment" not in repr(again)
    assert "also-secret" not in repr(again)
    settings.alerts.webhook_secret_file = "absent.txt"
    with pytest.raises(ConfigurationError):
        webhook_secret(settings)


def test_a_mail_is_whole_in_every_alphabet(settings: Settings, mailbox: Mailbox) -> None:
    attachment = Attachment("报表.csv", "text/csv", "日期,金额\n".encode())
    send_mail(with_mail(settings, mailbox), "d1", "ann@shop.example", "【示例商店】\n告警",
              "支付成功率降至 12%", "<p>支付成功率降至 12%</p>", [attachment])
    [mail] = mailbox.mails
    assert mail["Subject"] == "【示例商店】 告警"
    assert mail["Message-ID"] == "<d1@shop.example>"
    assert mail["From"] == "mdash@shop.example"
    plain, html = (mail.get_body((kind,)) for kind in ("plain", "html"))
    assert plain is not None
    assert html is not None
    assert "支付成功率降至 12%" in plain.get_content()
    assert "<p>支付成功率降至 12%</p>" in html.get_content()
    [file] = mail.iter_attachments()
    assert (file.get_filename(), file.get_content()) == ("报表.csv", "日期,金额\n")


@pytest.mark.parametrize("to", ["", "ann", "a@b\r\nBcc: all@x.example", "a@b, c@d.example", "a b@c.d"])
def test_what_is_no_address_gets_no_mail(settings: Settings, mailbox: Mailbox, to: str) -> None:
    with pytest.raises(ConfigurationError):
        send_mail(with_mail(settings, mailbox), "d1", to, "x", "x")
    assert mailbox.mails == []


def test_a_refused_mail_is_a_failure(settings: Settings, mailbox: Mailbox) -> None:
    mailbox.refusals = ["451 ann@shop.example is not welcome now"]
    with pytest.raises(DeliveryFailed) as caught:
        send_mail(with_mail(settings, mailbox), "d1", "ann@shop.example", "x", "x")
    assert str(caught.value) == "The mail server answered 451."


def test_without_encryption_only_this_machine_gets_mail(settings: Settings, mailbox: Mailbox) -> None:
    with_mail(settings, mailbox).mail.smtp_host = "mail.shop.example"
    with pytest.raises(ConfigurationError, match="smtp_security"):
        send_mail(settings, "d1", "ann@shop.example", "x", "x")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate of localhost with its key, signed by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    moment = datetime.now(UTC)
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name)
        .public_key(key.public_key()).serial_number(1)
        .not_valid_before(moment - timedelta(days=1)).not_valid_after(moment + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    path.write_bytes(
        made.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                            serialization.NoEncryption())
    )
    return path


@pytest.fixture
def guarded(certificate: Path) -> Iterator[Mailbox]:
    """A mail server that wants STARTTLS and a login."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    kept = Mailbox(free_port())
    controller = Controller(
        kept, hostname="localhost", port=kept.port, tls_context=context, require_starttls=True,
        authenticator=kept.login, auth_required=True,
    )
    controller.start()
    yield kept
    controller.stop()


def test_a_login_goes_only_over_a_verified_connection(
    settings: Settings, guarded: Mailbox, certificate: Path
) -> None:
    with_mail(settings, guarded)
    settings.mail.smtp_host = "localhost"
    settings.mail.smtp_security = "starttls"
    settings.mail.smtp_user = "mdash"
    settings.home.mkdir()
    (settings.home / "password.txt").write_text("correct horse\n")
    settings.mail.smtp_password_file = "password.txt"
    with pytest.raises(DeliveryFailed, match="SSLCertVerificationError"):
        send_mail(settings, "d1", "ann@shop.example", "x", "x")
    assert guarded.logins == []
    settings.mail.smtp_ca_file = str(certificate)
    send_mail(settings, "d1", "ann@shop.example", "x", "x")
    assert guarded.logins == [("mdash", "correct horse")]
    (settings.home / "password.txt").write_text("wrong\n")
    with pytest.raises(DeliveryFailed, match="535") as caught:
        send_mail(settings, "d2", "ann@shop.example", "x", "x")
    assert "wrong" not in str(caught.value)
    assert len(guarded.mails) == 1


def written(ledger: Ledger, *keys: str) -> None:
    with ledger.transaction() as connection:
        for key in keys:
            put(connection, key, "mail", "ann@shop.example", {"subject": key, "text": key})


def test_a_message_of_one_key_is_written_and_sent_once(ledger: Ledger) -> None:
    written(ledger, "a", "a", "b")
    written(ledger, "a")
    sent: list[str] = []

    def send(envelope: Envelope) -> None:
        assert counts(ledger)["sending"] == 1
        sent.append(str(envelope.message["text"]))

    assert deliver(ledger, send) == 2
    assert deliver(ledger, send) == 0
    assert sent == ["a", "b"]


def test_a_failing_message_is_tried_again_a_bounded_number_of_times(ledger: Ledger) -> None:
    written(ledger, "a")
    tries: list[tuple[int, str]] = []

    def refuse(envelope: Envelope) -> None:
        tries.append((envelope.attempt, envelope.delivery))
        raise DeliveryFailed("The webhook answered {status}.", status=500)

    at = now()
    for _ in range(20):
        deliver(ledger, refuse, at=at)
        at += max(PAUSES)
    assert [attempt for attempt, _ in tries] == [1, 2, 3, 4, 5, 6]
    assert len({delivery for _, delivery in tries}) == 1
    assert counts(ledger) == {"failed": 1}


def test_a_message_waits_before_it_is_tried_again(ledger: Ledger) -> None:
    written(ledger, "a", "b")
    sent: list[str] = []

    def send(envelope: Envelope) -> None:
        if envelope.message["text"] == "a" and envelope.attempt == 1:
            raise DeliveryFailed("The webhook answered {status}.", status=500)
        sent.append(str(envelope.message["text"]))

    start = now()
    assert deliver(ledger, send, at=start) == 1
    assert deliver(ledger, send, at=start + PAUSES[0] / 2) == 0
    assert deliver(ledger, send, at=start + PAUSES[0]) == 1
    assert sent == ["b", "a"]


def test_a_message_whose_sender_died_is_not_sent_again(ledger: Ledger) -> None:
    written(ledger, "a")

    def die(_: Envelope) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        deliver(ledger, die)
    assert counts(ledger) == {"sending": 1}
    assert deliver(ledger, lambda _: None, at=now() + CLAIM * 2) == 0
    assert counts(ledger) == {"interrupted": 1}


def test_an_error_nobody_foresaw_is_kept_without_its_words(ledger: Ledger) -> None:
    written(ledger, "a")

    def fail(_: Envelope) -> None:
        raise ValueError("secret")

    with pytest.raises(ValueError, match="secret"):
        deliver(ledger, fail)
    with ledger.reading() as connection:
        row = connection.execute(outbox.OUTBOX.select()).one()
    assert (row.state, row.why) == ("waiting", "ValueError")
