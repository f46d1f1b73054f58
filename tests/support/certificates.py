"""Certificates for servers on 127.0.0.1, made by a small Go program so that no `openssl` is needed."""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.support.go_builds import certs_program
from tests.support.processes import Account


@dataclass(frozen=True)
class Certificates:
    """PEM files: the authority, the server's certificate for 127.0.0.1 and localhost, its key (mode 600)."""

    ca: Path
    certificate: Path
    key: Path


def issue_certificates(folder: Path, *names: str, owner: Account | None = None) -> Certificates:
    """A new authority and a server certificate in FOLDER, which is created; they are valid for a week.

    NAMES are further DNS names of the server.
    """
    folder.mkdir()
    subprocess.run([certs_program(), folder, *names], check=True)
    made = Certificates(folder / "ca.pem", folder / "server.pem", folder / "server.key")
    if owner is not None:
        for path in (folder, made.ca, made.certificate, made.key):
            os.chown(path, owner.uid, owner.gid)
    return made
