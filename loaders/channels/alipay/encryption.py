"""Alipay's content encryption (接口内容加密): AES and AES_V2 over texts, base64 outside.

AES is CBC with a zero vector; AES_V2 puts a random vector in front. SM4 is not offered.
"""

from __future__ import annotations

import base64
import binascii

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

from loaders.errors import ConfigurationError, RefusedInput

KINDS = ("AES", "AES_V2")
_BLOCK = 16
_ZERO = bytes(_BLOCK)


def read_aes_key(text: bytes) -> bytes:
    """The key from the console's base64 text. Raises ConfigurationError."""
    try:
        key = base64.b64decode(b"".join(text.split()), validate=True)
    except binascii.Error as error:
        raise ConfigurationError(
            "The AES key is not base64. Copy the content encryption key (接口内容加密) again from the"
            " Alipay console."
        ) from error
    if len(key) != _BLOCK:
        raise ConfigurationError(
            "The AES key has {count} bytes instead of 16. Copy the content encryption key"
            " (接口内容加密) again from the Alipay console.",
            count=len(key),
        )
    return key


def encrypt(kind: str, key: bytes, content: bytes, nonce: bytes) -> str:
    """Base64 of the encrypted content; `nonce` (16 bytes) is used by AES_V2 only."""
    vector = nonce[:_BLOCK] if kind == "AES_V2" else _ZERO
    padder = PKCS7(_BLOCK * 8).padder()
    padded = padder.update(content) + padder.finalize()
    encryptor = Cipher(algorithms.AES(key), modes.CBC(vector)).encryptor()
    sealed = encryptor.update(padded) + encryptor.finalize()
    prefix = vector if kind == "AES_V2" else b""
    return base64.b64encode(prefix + sealed).decode("ascii")


def decrypt(kind: str, key: bytes, text: str) -> bytes:
    """The content of an encrypted text. Raises RefusedInput."""
    try:
        sealed = base64.b64decode(text, validate=True)
        vector = _ZERO
        if kind == "AES_V2":
            vector, sealed = sealed[:_BLOCK], sealed[_BLOCK:]
        decryptor = Cipher(algorithms.AES(key), modes.CBC(vector)).decryptor()
        padded = decryptor.update(sealed) + decryptor.finalize()
        unpadder = PKCS7(_BLOCK * 8).unpadder()
        return unpadder.update(padded) + unpadder.finalize()
    except ValueError as error:
        raise RefusedInput(
            "The channel's reply cannot be decrypted: check aes_key_file and encrypt_type."
        ) from error
