"""The parts of a PEM text that OpenSSL is given: certificates, and one private key of a usual kind. Pure.

OpenSSL reads whatever else a text holds, wherever it stands: it tries to decrypt a key with as many rounds as that key
names, in a bundle of authorities too, and computes the public part of a DSA key of any size. Both take minutes.
"""

import base64
import binascii
import re

# No dash in between, so that the time grows only with the length of the text.
_CERTIFICATE = re.compile(r"-----BEGIN ((?:X509 |TRUSTED )?CERTIFICATE)-----[^-]*-----END \1-----")
_KEY = re.compile(r"-----BEGIN ((?:RSA |EC )?PRIVATE KEY)-----([^-]*)-----END \1-----")
_KEY_START_CHARACTERS = 64
# PrivateKeyInfo up to its algorithm (https://www.rfc-editor.org/rfc/rfc5208#section-5): RSA, RSASSA-PSS, EC, Ed25519,
# Ed448.
_LENGTH = rb"(?:[\x00-\x7f]|\x81.|\x82..)"
_USUAL_KEY = re.compile(
    rb"\x30" + _LENGTH + rb"\x02\x01[\x00\x01]\x30" + _LENGTH + rb"\x06"
    rb"(?:\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01[\x01\x0a]|\x07\x2a\x86\x48\xce\x3d\x02\x01|\x03\x2b\x65[\x70\x71])",
    re.DOTALL,
)  # fmt: skip


def certificates(text: str) -> list[str]:
    """Return the certificates of `text` in their order."""
    return [match[0] for match in _CERTIFICATE.finditer(text)]


def private_key(text: str) -> str | None:
    """Return the first private key of `text` that has no passphrase; None if there is none, or of another kind."""
    match = _KEY.search(text)
    if match is None or (match[1] == "PRIVATE KEY" and not _is_usual(match[2])):
        return None
    return match[0]


def _is_usual(body: str) -> bool:
    try:
        start = base64.b64decode("".join(body.split())[:_KEY_START_CHARACTERS])
    except (binascii.Error, ValueError):
        return False
    return _USUAL_KEY.match(start) is not None
