"""Secrets: the master key, one key for each attempt's evidence, and what callers and browsers show us.

Goal: deleting a few bytes deletes a recording. Evidence is encrypted with AES-256-GCM under a key of its own; that key
lies in the database wrapped by the master key. Tokens are random and kept as SHA-256: they have far too many bits to be
guessed, so a slow hash would add nothing.

Public items: :class:`MasterKey`, :class:`DataKey`, :func:`new_token`, :func:`token_of`, :func:`new_id`,
:func:`new_code`, :func:`normalised_token`, :func:`token_sha256`.

References
----------
AES-GCM: NIST SP 800-38D. Crockford's base 32: no letters that are taken for digits.
"""

from __future__ import annotations

import base64
import hashlib
import os
import secrets
import stat
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from idverify.errors import IdverifyError, ParameterError

__all__ = [
    "MASTER_KEY_VARIABLE",
    "DataKey",
    "EvidenceUnreadableError",
    "MasterKey",
    "new_code",
    "new_id",
    "new_token",
    "normalised_token",
    "token_of",
    "token_sha256",
]

MASTER_KEY_VARIABLE = "IDVERIFY_MASTER_KEY"
_KEY_BYTES = 32
# SP 800-38D, 8.2.2: random nonces of 96 bits; the number of uses of one key stays far below 2^32.
_NONCE_BYTES = 12
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
# 26 symbols of 5 bits: 130 bits; 13: 65, what SP 800-63A asks of a code that is typed.
_TOKEN_SYMBOLS, _CODE_SYMBOLS = 26, 13


class EvidenceUnreadableError(IdverifyError):
    """Encrypted data that this key does not open: another key, or altered."""


@dataclass(frozen=True, slots=True)
class DataKey:
    """Encrypts what belongs together: one attempt's evidence, one photo."""

    secret: bytes = field(repr=False)

    @classmethod
    def new(cls) -> DataKey:
        """A random key."""
        return cls(secrets.token_bytes(_KEY_BYTES))

    def seal(self, plain: bytes, name: str) -> bytes:
        """Encrypt; `name` must be given again to open, so that two pieces cannot be exchanged."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return nonce + AESGCM(self.secret).encrypt(nonce, plain, name.encode())

    def open(self, sealed: bytes, name: str) -> bytes:
        """Decrypt.

        Raises
        ------
        EvidenceUnreadableError
        """
        try:
            return AESGCM(self.secret).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], name.encode())
        except (InvalidTag, ValueError):
            raise EvidenceUnreadableError(f"{name} cannot be decrypted: another key, or altered") from None


@dataclass(frozen=True, slots=True)
class MasterKey:
    """Wraps the other keys."""

    key: DataKey

    @classmethod
    def find(cls, data: Path) -> MasterKey:
        """Take it from ``IDVERIFY_MASTER_KEY``, else from ``master.key`` in `data`, made at the first start.

        Raises
        ------
        ParameterError
            It is not 32 bytes in base 64, or others may read the file.
        """
        given = os.environ.get(MASTER_KEY_VARIABLE)
        if given:
            return cls(DataKey(_decoded(given, MASTER_KEY_VARIABLE)))
        path = data / "master.key"
        try:
            # Made whole or not at all, and by one process only.
            draft = data / f".master.{secrets.token_hex(8)}"
            draft.touch(mode=0o600)
            draft.write_text(base64.b64encode(secrets.token_bytes(_KEY_BYTES)).decode() + "\n")
            try:
                os.link(draft, path)
            except FileExistsError:
                pass
            finally:
                draft.unlink()
            mode = stat.S_IMODE(path.stat().st_mode)
            if mode & 0o077:
                raise ParameterError(f"others may read {path} (mode {mode:o}); run: chmod 600 {path}")
            return cls(DataKey(_decoded(path.read_text(), str(path))))
        except OSError as error:
            raise ParameterError(f"the master key {path} cannot be used: {error.strerror or error}") from None

    def wrap(self, key: DataKey, name: str) -> bytes:
        """Encrypt a key for the database; `name` says whose it is."""
        return self.key.seal(key.secret, name)

    def unwrap(self, wrapped: bytes, name: str) -> DataKey:
        """Decrypt a key.

        Raises
        ------
        EvidenceUnreadableError
        """
        return DataKey(self.key.open(wrapped, name))

    def derived(self, purpose: str) -> bytes:
        """32 bytes for one purpose, the same on every machine that has the master key."""
        return hashlib.blake2b(purpose.encode(), key=self.key.secret, digest_size=_KEY_BYTES).digest()


def new_id(prefix: str) -> str:
    """A name that says nothing and meets no other, such as ``att_0Q3K...``; 80 bits."""
    return f"{prefix}_{_symbols(16)}"


def new_token() -> str:
    """A secret that opens something once or for a while; 130 bits."""
    return _symbols(_TOKEN_SYMBOLS)


def token_of(secret: bytes) -> str:
    """As :func:`new_token`, the same for the same 32 secret bytes: such a token need not be kept to be said again."""
    number = int.from_bytes(secret, "big")
    return "".join(_ALPHABET[number >> 5 * place & 31] for place in range(_TOKEN_SYMBOLS))


def new_code() -> str:
    """A secret short enough to be typed, as ``XXXX-XXXX-XXXXX``; 65 bits."""
    code = _symbols(_CODE_SYMBOLS)
    return f"{code[:4]}-{code[4:8]}-{code[8:]}"


def normalised_token(text: str) -> str:
    """A token or code as it was made, however it was typed.

    Examples
    --------
    >>> normalised_token("abcd-ef0o-1il")
    'ABCDEF00111'
    """
    plain = text.strip().upper().replace("-", "").replace(" ", "")
    return plain.translate(str.maketrans("OIL", "011"))


def token_sha256(token: str) -> str:
    """What is kept of a token."""
    return hashlib.sha256(token.encode()).hexdigest()


def _symbols(count: int) -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(count))


def _decoded(text: str, where: str) -> bytes:
    try:
        key = base64.b64decode(text.strip(), validate=True)
    except ValueError:
        key = b""
    if len(key) != _KEY_BYTES:
        raise ParameterError(
            f"{where} holds no 32 bytes in base 64; make them with: "
            "python -c 'import base64, secrets; print(base64.b64encode(secrets.token_bytes(32)).decode())'"
        )
    return key
