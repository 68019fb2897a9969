"""The keys of a merchant and of the platform, made once and kept in a folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

from loaders.channels.wechatpay.signing import PrivateKey, PublicKey, read_private_key
from sample_data.gateway.keys import new_certificate, private_pem, public_pem, write_secret
from sample_data.wechat_files import API_KEY, APPID, MCHID, SERIAL

MERCHANT_KEY, MERCHANT_CERT = "apiclient_key.pem", "apiclient_cert.pem"
PLATFORM_KEY, PLATFORM_PUBLIC = "platform_key.pem", "wechatpay_public_key.pem"
PLATFORM_CERT, API_KEY_FILE = "wechatpay_cert.pem", "api_v3_key.txt"


@dataclass(frozen=True, slots=True)
class PlatformKeys:
    """What the platform verifies requests with, signs with, and compares."""

    merchant_public: PublicKey
    merchant_serial: str
    platform_private: PrivateKey
    platform_cert: bytes
    platform_cert_serial: str
    mchid: str = MCHID
    appid: str = APPID
    key_id: str = SERIAL
    api_key: bytes = API_KEY.encode()


def make_platform_keys(folder: Path) -> PlatformKeys:
    """The keys in `folder`; all of them are made there (mode 0600) if there are none yet."""
    if not (folder / API_KEY_FILE).exists():
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for name, content in _fresh_files().items():
            write_secret(folder / name, content)
    merchant = x509.load_pem_x509_certificate((folder / MERCHANT_CERT).read_bytes())
    platform_cert = (folder / PLATFORM_CERT).read_bytes()
    public = merchant.public_key()
    assert isinstance(public, rsa.RSAPublicKey)
    return PlatformKeys(
        merchant_public=public,
        merchant_serial=_serial((folder / MERCHANT_CERT).read_bytes()),
        platform_private=read_private_key((folder / PLATFORM_KEY).read_bytes()),
        platform_cert=platform_cert,
        platform_cert_serial=_serial(platform_cert),
    )


def _serial(pem: bytes) -> str:
    return f"{x509.load_pem_x509_certificate(pem).serial_number:X}"


def _fresh_files() -> dict[str, bytes]:
    merchant, platform = (
        rsa.generate_private_key(public_exponent=65537, key_size=2048) for _ in range(2)
    )
    return {
        MERCHANT_KEY: private_pem(merchant),
        MERCHANT_CERT: new_certificate(MCHID, merchant.public_key(), platform),
        PLATFORM_KEY: private_pem(platform),
        PLATFORM_PUBLIC: public_pem(platform),
        PLATFORM_CERT: new_certificate("stand-in platform", platform.public_key(), platform),
        API_KEY_FILE: API_KEY.encode() + b"\n",
    }
