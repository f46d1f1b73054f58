"""Server's half of a SCRAM-SHA-256 login (RFC 5802). It lets in everybody, and proves that it knows the password.

So a login costs the client as much as one to a real server.
"""

import base64
import hashlib
import hmac
import secrets
from functools import cache

ITERATIONS = 4096
"""Rounds of hashing, as many as PostgreSQL's default."""


def password_of(user: str) -> str:
    """Return the password of a user of a simulated server."""
    return f"password of {user}"


class ScramServer:
    """One login."""

    def __init__(self, user: str) -> None:
        self._user = user
        self._said = b""

    def challenge(self, first: bytes) -> bytes:
        """Return the answer to the client's first message."""
        bare = first.split(b",", 2)[2]
        nonce = bare.partition(b"r=")[2] + secrets.token_urlsafe(18).encode()
        challenge = b"r=%s,s=%s,i=%d" % (nonce, base64.b64encode(_salt(self._user)), ITERATIONS)
        self._said = bare + b"," + challenge
        return challenge

    def signature(self, last: bytes) -> bytes:
        """Return the answer to the client's last message, whose proof is not checked."""
        said = self._said + b"," + last.partition(b",p=")[0]
        return b"v=" + base64.b64encode(hmac.digest(_server_key(self._user), said, "sha256"))


def _salt(user: str) -> bytes:
    return hashlib.sha256(user.encode()).digest()[:16]


@cache
def _server_key(user: str) -> bytes:
    salted = hashlib.pbkdf2_hmac("sha256", password_of(user).encode(), _salt(user), ITERATIONS)
    return hmac.digest(salted, b"Server Key", "sha256")
