"""The keys that callers are known by."""

import re
from collections.abc import Sequence
from hashlib import sha256
from hmac import compare_digest

import msgspec

from ..errors import Misconfigured

ANONYMOUS = "anonymous"
# What RFC 6750 lets a bearer token be made of, and long enough not to be guessed.
KEY = r"[A-Za-z0-9._~+/-]{16,256}={0,2}"
CALLER = r"[A-Za-z0-9._-]{1,64}"
_ENTRY = re.compile(rf"(?P<caller>{CALLER}):(?P<key>{KEY})")
_EXPECTED = (
    "expected entries `name:key` between white space, a name of at most 64 letters, digits, dots,"
    " hyphens and underscores, a key of 16 to 256 characters as `make key` makes it"
)


class Key(msgspec.Struct, frozen=True):
    """
    What a key that is given is compared with.

    Attributes:
        caller: Whose it is.
        digest: Its SHA-256.
    """

    caller: str
    digest: bytes


def read_keys(text: str) -> Sequence[Key]:
    """
    Read the secret API_KEYS.

    Args:
        text: Entries `name:key` between white space. A name may have several keys.

    Raises:
        Misconfigured: Says which entry is wrong, not what it holds.
    """
    keys: list[Key] = []
    for number, entry in enumerate(text.split(), 1):
        match = _ENTRY.fullmatch(entry)
        if match is None or match["caller"] == ANONYMOUS:
            raise Misconfigured(
                f"API_KEYS: {_EXPECTED}, got another entry {number}", param="API_KEYS"
            )
        keys.append(Key(match["caller"], sha256(match["key"].encode()).digest()))
    if len({key.digest for key in keys}) < len(keys):
        raise Misconfigured("API_KEYS: expected each key once", param="API_KEYS")
    return keys


def find_caller(keys: Sequence[Key], given: str) -> str | None:
    """
    Find out whose key it is, in a time that does not depend on how much of it is right.

    Args:
        given: Untrusted.
    """
    digest = sha256(given.encode()).digest()
    found = None
    for key in keys:  # all of them, each time
        if compare_digest(key.digest, digest):
            found = key.caller
    return found
