"""Who asks Alipay and with which keys: `[channels.alipay]` read, and mistakes in it explained."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from loaders.channels.alipay import certificates, encryption, signing
from loaders.errors import ConfigurationError

GATEWAY = "https://openapi.alipay.com/gateway.do"
OLD_SANDBOX = "openapi.alipaydev.com"
CHARSETS = {"utf-8": "utf-8", "gbk": "gbk", "gb2312": "gbk"}
LOOPBACK = ("127.0.0.1", "localhost", "::1")
_SANDBOX_ID = "9021"
_SOON = timedelta(days=30)
_CERTIFICATE_FILES = ("app_cert_file", "alipay_cert_file", "alipay_root_cert_file")
Read = Callable[[str], bytes]


@dataclass(frozen=True, slots=True)
class Credentials:
    """Identity, keys and address. The three serial numbers are set in certificate mode only."""

    app_id: str
    private_key: signing.PrivateKey = field(repr=False)
    public_key: signing.PublicKey = field(repr=False)
    gateway_url: str = GATEWAY
    sign_type: str = "RSA2"
    charset: str = "utf-8"
    app_auth_token: str = field(default="", repr=False)
    app_cert_sn: str = ""
    root_cert_sn: str = ""
    alipay_cert_sn: str = ""
    aes_key: bytes | None = field(default=None, repr=False)
    encrypt_type: str = "AES"

    @property
    def codec(self) -> str:
        """Python's name of the charset."""
        return CHARSETS[self.charset]


def read_keys(config: Mapping[str, Any], read: Read) -> Credentials:
    """Credentials from `[channels.alipay]`. Raises ConfigurationError saying how to mend it."""
    app_id = str(config.get("app_id") or "")
    if not app_id:
        raise ConfigurationError(
            "Set {names} under [channels.{channel}] in mdash.toml.", names="app_id", channel="alipay"
        )
    private_key = _private_key(config, read)
    public_key, serials = _public_key(config, read, private_key)
    name = str(config.get("aes_key_file") or "")
    return Credentials(
        app_id=app_id,
        private_key=private_key,
        public_key=public_key,
        gateway_url=_gateway(config),
        sign_type=_one_of(config, "sign_type", "RSA2", ("RSA2", "RSA")),
        charset=_one_of(config, "charset", "utf-8", tuple(CHARSETS)).lower(),
        app_auth_token=str(config.get("app_auth_token") or ""),
        aes_key=encryption.read_aes_key(read(name)) if name else None,
        encrypt_type=_one_of(config, "encrypt_type", "AES", encryption.KINDS),
        **serials,
    )


def _one_of(config: Mapping[str, Any], name: str, default: str, known: tuple[str, ...]) -> str:
    value = str(config.get(name) or default)
    if value.upper() not in {item.upper() for item in known}:
        raise ConfigurationError(
            "{name} under [channels.{channel}] in mdash.toml must be one of: {known}.",
            name=name, channel="alipay", known=", ".join(known),
        )
    return value


def _gateway(config: Mapping[str, Any]) -> str:
    url = str(config.get("gateway_url") or GATEWAY)
    parts = urlsplit(url)
    if not parts.hostname or not (
        parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK)
    ):
        raise ConfigurationError(
            "gateway_url under [channels.{channel}] in mdash.toml must begin with https://.",
            channel="alipay",
        )
    return url


def _private_key(config: Mapping[str, Any], read: Read) -> signing.PrivateKey:
    name = str(config.get("app_private_key_file") or "")
    if not name:
        raise ConfigurationError(
            "No key to sign requests with: set app_private_key_file under [channels.alipay] in"
            " mdash.toml to the application private key (应用私钥)."
        )
    text = read(name)
    try:
        return signing.read_private_key(text)
    except ConfigurationError as error:
        if _is_public(text):
            raise ConfigurationError(
                "app_private_key_file holds a public key. Take the application private key"
                " (应用私钥) that the key tool made."
            ) from error
        raise


def _is_public(text: bytes) -> bool:
    try:
        signing.read_public_key(text)
    except ConfigurationError:
        return b"CERTIFICATE" in text
    return True


def _public_key(
    config: Mapping[str, Any], read: Read, private_key: signing.PrivateKey
) -> tuple[signing.PublicKey, dict[str, str]]:
    """Alipay's public key and, in certificate mode, the serial numbers."""
    if config.get("alipay_public_key_file") and not config.get("alipay_cert_file"):
        key = signing.read_public_key(read(str(config["alipay_public_key_file"])))
        if _is_same(key, private_key):
            raise ConfigurationError(
                "alipay_public_key_file holds your own application public key (应用公钥). Take the"
                " Alipay public key (支付宝公钥), which the console shows after you upload yours."
            )
        return key, {}
    missing = [name for name in _CERTIFICATE_FILES if not config.get(name)]
    if len(missing) == len(_CERTIFICATE_FILES):
        raise ConfigurationError(
            "No key to verify Alipay's messages with: set alipay_public_key_file (or"
            " alipay_cert_file) under [channels.alipay] in mdash.toml."
        )
    if missing:
        raise ConfigurationError(
            "Certificate mode needs three files; set {names} under [channels.alipay] in mdash.toml"
            " too.",
            names=", ".join(missing),
        )
    app, alipay, root = (read(str(config[name])) for name in _CERTIFICATE_FILES)
    return _certified_key(app, alipay, private_key), {
        "app_cert_sn": certificates.certificate_serial(app),
        "alipay_cert_sn": certificates.certificate_serial(alipay),
        "root_cert_sn": certificates.root_serials(root),
    }


def _certified_key(
    app: bytes, alipay: bytes, private_key: signing.PrivateKey
) -> signing.PublicKey:
    if not _is_same(signing.certificate_public_key(app), private_key):
        raise ConfigurationError(
            "app_cert_file and app_private_key_file are not a pair. Download"
            " appCertPublicKey_….crt again, or take the private key its request was made with."
        )
    key = signing.certificate_public_key(alipay)
    if _is_same(key, private_key):
        raise ConfigurationError(
            "alipay_cert_file holds your own application certificate. Take"
            " alipayCertPublicKey_RSA2.crt."
        )
    return key


def _is_same(public_key: signing.PublicKey, private_key: signing.PrivateKey) -> bool:
    return public_key.public_numbers() == private_key.public_key().public_numbers()


def concerns(config: Mapping[str, Any], read: Read, at: datetime) -> list[ConfigurationError]:
    """What will or may not work although the keys can be read; `at` is now (naive UTC)."""
    keys = read_keys(config, read)
    found = [*_address_concerns(keys)]
    if keys.private_key.key_size < 2048 and keys.sign_type == "RSA2":
        found.append(ConfigurationError(
            "The application private key has {bits} bits; RSA2 needs at least 2048.",
            bits=keys.private_key.key_size,
        ))
    if keys.alipay_cert_sn:
        app, alipay, root = (read(str(config[name])) for name in _CERTIFICATE_FILES)
        for name, text in zip(_CERTIFICATE_FILES, (app, alipay), strict=False):
            found += _date_concerns(name, text, at)
        try:
            certificates.check_chain(alipay, root)
        except ConfigurationError as error:
            found.append(error)
    return found


def _address_concerns(keys: Credentials) -> list[ConfigurationError]:
    host = urlsplit(keys.gateway_url).hostname or ""
    if host == OLD_SANDBOX:
        return [ConfigurationError(
            "gateway_url names the old sandbox, which is switched off. Use"
            " https://openapi-sandbox.dl.alipaydev.com/gateway.do."
        )]
    is_sandbox_id = keys.app_id.startswith(_SANDBOX_ID)
    if is_sandbox_id and host == urlsplit(GATEWAY).hostname:
        return [ConfigurationError(
            "app_id {app_id} is of the sandbox, but gateway_url is the production gateway.",
            app_id=keys.app_id,
        )]
    if not is_sandbox_id and host.endswith("alipaydev.com"):
        return [ConfigurationError(
            "app_id {app_id} is not of the sandbox, but gateway_url is the sandbox's.",
            app_id=keys.app_id,
        )]
    return []


def _date_concerns(name: str, text: bytes, at: datetime) -> list[ConfigurationError]:
    begins, ends = certificates.validity(text)
    if at < begins or at >= ends:
        return [ConfigurationError(
            "The certificate in {name} is valid from {begins} to {ends} only. Download a new one"
            " from the Alipay console.",
            name=name, begins=begins.date().isoformat(), ends=ends.date().isoformat(),
        )]
    if ends - at < _SOON:
        return [ConfigurationError(
            "The certificate in {name} expires on {ends}. Renew it in the Alipay console before.",
            name=name, ends=ends.date().isoformat(),
        )]
    return []
