"""A home folder for libraries that look for one as soon as they are imported, such as the client of Kubernetes."""

import os
from pathlib import Path


def ensure_home() -> None:
    """Set HOME to the root folder, as container runtimes do, if the user has no home.

    A container that runs as any user id, as on OpenShift, may have neither HOME nor an entry in /etc/passwd.
    """
    try:
        Path.home()
    except RuntimeError:
        os.environ["HOME"] = "/"
