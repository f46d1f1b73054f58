"""Events of Kubernetes, as the API takes them."""

import time
from datetime import UTC, datetime
from typing import Any

from controller.operator.resource import Resource
from controller.reconcile.result import Event
from controller.resource import GROUP, KIND, VERSION
from controller.text import one_line

NAME_LENGTH = 235
"""Characters of a resource's name in the name of its event, which may have 253 in all."""
NOTE_BYTES = 1024
"""Longest note of an event in bytes, a limit of the API."""
REPORTER = f"{GROUP}/operator"


def event_object(resource: Resource, event: Event, *, instance: str) -> dict[str, Any]:
    """Return the object that shows `event` in `kubectl describe` of `resource`, as reported by INSTANCE now."""
    now = datetime.now(UTC)
    # `kubectl describe` keeps the order of names, since events of this API have no time by which it sorts.
    name = f"{resource.name[:NAME_LENGTH]}.{time.time_ns():x}"
    return {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"name": name, "namespace": resource.namespace},
        "eventTime": now.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "type": "Warning" if event.warning else "Normal",
        "reason": event.reason,
        "action": "Reconcile",
        "note": one_line(event.message).encode()[:NOTE_BYTES].decode(errors="ignore"),
        "reportingController": REPORTER,
        "reportingInstance": instance,
        "regarding": {
            "apiVersion": f"{GROUP}/{VERSION}",
            "kind": KIND,
            "name": resource.name,
            "namespace": resource.namespace,
            "uid": resource.uid,
        },
    }
