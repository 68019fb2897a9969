"""Who asks WeChat Pay and with which keys: `[channels.wechatpay]` read, and mistakes in it explained."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from loaders.channels.wechatpay import signing
from loaders.errors import ConfigurationError

BASE_URL = "https://api.mch.weixin.qq.com"
LOOPBACK = ("127.0.0.1", "localhost", "::1")
_NEEDED = ("mchid", "serial_no")
_SERIAL = re.compile(r"[0-9A-Fa-f]{8,64}")
_PUBLIC_KEY_ID = "PUB_KEY_ID"
_SOON = timedelta(days=30)
Read = Callable[[str], bytes]


@dataclass(frozen=True, slots=True)
class Credentials:
    """Identity, keys and address. `public_keys` are the platform's, each under its serial."""

    mchid: str
    serial_no: str
    private_key: signing.PrivateKey = field(repr=False)
    public_keys: Mapping[str, signing.PublicKey] = field(repr=False)
    appid: str = ""
    base_url: str = BASE_URL

    @property
    def wanted_serial(self) -> str:
        """The key with which the channel is to sign, where the shop holds one by its id."""
        return next((name for name in self.public_keys if name.startswith(_PUBLIC_KEY_ID)), "")


def read_keys(config: Mapping[str, Any], read: Read) -> Credentials:
    """Credentials from `[channels.wechatpay]`. Raises ConfigurationError saying how to mend it."""
    missing = [name for name in _NEEDED if not config.get(name)]
    if missing:
        raise ConfigurationError(
            "Set {names} under [channels.{channel}] in mdash.toml.",
            names=", ".join(missing), channel="wechatpay",
        )
    private_key = _private_key(config, read)
    public_keys = _public_keys(config, read)
    own = private_key.public_key().public_numbers()
    if any(key.public_numbers() == own for key in public_keys.values()):
        raise ConfigurationError(
            "platform_public_key_file holds your own API certificate. Take the WeChat Pay public key"
            " (微信支付公钥) from the merchant platform → API安全."
        )
    return Credentials(
        mchid=str(config["mchid"]),
        serial_no=_serial_no(config),
        private_key=private_key,
        public_keys=public_keys,
        appid=str(config.get("appid") or ""),
        base_url=_base_url(config),
    )


def _serial_no(config: Mapping[str, Any]) -> str:
    serial = str(config["serial_no"]).strip()
    if not _SERIAL.fullmatch(serial):
        raise ConfigurationError(
            "serial_no is not a certificate's serial number. Take 证书序列号 of your own API"
            " certificate (merchant platform → API安全); {platform} names the platform's key.",
            platform="platform_serial",
        )
    return serial.upper()


def _private_key(config: Mapping[str, Any], read: Read) -> signing.PrivateKey:
    name = str(config.get("private_key_file") or "")
    if not name:
        raise ConfigurationError(
            "No key to sign requests with: set private_key_file under [channels.wechatpay] in"
            " mdash.toml to the merchant's apiclient_key.pem."
        )
    return signing.read_private_key(read(name))


def _public_keys(config: Mapping[str, Any], read: Read) -> Mapping[str, signing.PublicKey]:
    name = str(config.get("platform_public_key_file") or "")
    if not name:
        raise ConfigurationError(
            "No key to verify WeChat Pay's answers with: set platform_public_key_file and"
            " platform_serial under [channels.wechatpay] in mdash.toml."
        )
    return signing.read_public_keys(read(name), str(config.get("platform_serial") or ""))


def _base_url(config: Mapping[str, Any]) -> str:
    url = str(config.get("base_url") or BASE_URL).rstrip("/")
    parts = urlsplit(url)
    if not parts.hostname or not (
        parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK)
    ):
        raise ConfigurationError(
            "{name} under [channels.{channel}] in mdash.toml must begin with https://.",
            name="base_url", channel="wechatpay",
        )
    if parts.path or parts.query:
        raise ConfigurationError(
            "base_url under [channels.wechatpay] in mdash.toml is a host alone, such as {example}.",
            example=BASE_URL,
        )
    return url


def concerns(config: Mapping[str, Any], read: Read, at: datetime) -> list[ConfigurationError]:
    """What will or may not work although the keys can be read; `at` is now (naive UTC)."""
    keys = read_keys(config, read)
    found: list[ConfigurationError] = []
    if keys.private_key.key_size < 2048:
        found.append(ConfigurationError(
            "The merchant's private key has {bits} bits; WeChat Pay wants 2048.",
            bits=keys.private_key.key_size,
        ))
    text = read(str(config["platform_public_key_file"]))
    for begins, ends in signing.validities(text):
        found += _date_concerns(begins, ends, at)
    return found


def _date_concerns(begins: datetime, ends: datetime, at: datetime) -> list[ConfigurationError]:
    dates = {"begins": begins.date().isoformat(), "ends": ends.date().isoformat()}
    if not begins <= at < ends:
        return [ConfigurationError(
            "The platform certificate is valid from {begins} to {ends} only. Take the WeChat Pay"
            " public key (微信支付公钥) instead, which does not expire.", **dates,
        )]
    if ends - at < _SOON:
        return [ConfigurationError(
            "The platform certificate, valid from {begins}, expires on {ends}. Change to the WeChat"
            " Pay public key (微信支付公钥) before.", **dates,
        )]
    return []
