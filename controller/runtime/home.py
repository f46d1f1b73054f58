"""A home folder for libraries that look for one as soon as they are imported, such as the client of Kubernetes."""

import os


def ensure_home() -> None:
    """Set HOME to the root folder, as container runtimes do, if the user has no home.

    A container that runs as any user id, as on OpenShift, may have neither HOME nor an entry in /etc/passwd.
    """
    if os.path.expanduser("~") == "~":  # noqa: PTH111 - pathlib would take a tenth of the time of a short command
        os.environ["HOME"] = "/"
