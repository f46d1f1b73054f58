"""Limit of open descriptors of this process."""

import resource


def raise_descriptor_limit() -> int:
    """Raise the soft limit to the hard one, which needs no right, and return it.

    The soft limit is 1024 on many systems for the sake of programs that use select(); this one does not.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        except (OSError, ValueError):  # a hard limit above what the kernel allows now: the old one works
            return soft
    return hard


def descriptor_limit() -> int:
    """Return how many descriptors this process may have open."""
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]
