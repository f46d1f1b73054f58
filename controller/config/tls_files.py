"""Reading of the certificate files that a database URL names; the one place where configuration touches the disk."""

import os
import re
from dataclasses import replace

from controller.config.database_url import TlsFiles
from controller.database.target import Target, is_encrypted_key
from controller.errors import ConfigurationError

_LARGEST_FILE = 4 * 1024 * 1024
"""Most bytes of a TLS file; the certificate store of a whole system is a quarter of a megabyte."""
_CERTIFICATE = re.compile(r"-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----\s.+-----END ", re.DOTALL)
_KEY = re.compile(r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----\s.+-----END ", re.DOTALL)


def with_tls_files(target: Target, files: TlsFiles) -> Target:
    """Return `target` with the present content of the files; what it held stays where no file is named.

    Raises:
        ConfigurationError: one line that names the option, the path and what is wrong.
    """
    return replace(
        target,
        ca_pem=_pem("sslrootcert", files.sslrootcert, _CERTIFICATE, "certificate") or target.ca_pem,
        client_certificate_pem=_pem("sslcert", files.sslcert, _CERTIFICATE, "certificate")
        or target.client_certificate_pem,
        client_key_pem=_pem("sslkey", files.sslkey, _KEY, "private key") or target.client_key_pem,
    )


def _pem(option: str, path: str | None, kind: re.Pattern[str], wanted: str) -> str | None:
    if path is None:
        return None
    text = _text(option, path)
    if is_encrypted_key(text):
        raise _unusable(option, path, "is an encrypted private key; give it without a passphrase")
    if kind.search(text) is None:
        raise _unusable(option, path, f"holds no {wanted} in PEM, which begins with -----BEGIN")
    return text


def _text(option: str, path: str) -> str:
    try:
        # Without waiting: a pipe that nobody writes to reads as empty.
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK), "rb") as file:
            content = file.read(_LARGEST_FILE + 1)
    except FileNotFoundError:
        raise _unusable(option, path, "does not exist") from None
    except PermissionError:
        raise _unusable(option, path, "may not be read by this user") from None
    except IsADirectoryError:
        raise _unusable(option, path, "is a folder") from None
    except OSError as error:
        raise _unusable(option, path, f"cannot be read: {error.strerror}") from None
    if len(content) > _LARGEST_FILE:
        raise _unusable(option, path, f"is larger than {_LARGEST_FILE} bytes")
    # Bundles name their authorities in comments, in any encoding; PEM itself is ASCII.
    return content.decode("ascii", errors="replace")


def _unusable(option: str, path: str, problem: str) -> ConfigurationError:
    return ConfigurationError(f"The file {path!r}, which {option} of the database URL names, {problem}.")
