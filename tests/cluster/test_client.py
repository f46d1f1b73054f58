"""Calls of our own client to a real API server, and its answers."""

import re
from pathlib import Path
from typing import Any

import pytest

from controller.operator.client import ApiUnavailable, Client
from controller.operator.credentials import load_configuration
from controller.operator.resource import Resource
from controller.reconcile.result import Event
from tests.support.resources import Namespace, resource


async def test_a_status_is_never_written_to_another_resource_of_the_same_name(team: Namespace, account: Path) -> None:
    team.apply(resource("perses", secret_name="perses-db"))
    gone = Resource.parse(team.get("perses"))
    team.cluster.kubectl("delete", "ddb", "perses", "-n", team.name)
    client = Client(await load_configuration(account, None), instance="test")
    status: dict[str, Any] = {"observedGeneration": 1, "conditions": []}
    try:
        assert await client.write_status(gone, status) is None
        team.apply(resource("perses", secret_name="perses-db"))
        assert await client.write_status(gone, status) is None
        assert team.condition("perses", "Ready")["reason"] == "NotObserved"
        there = Resource.parse(team.get("perses"))
        written = await client.write_status(there, status)
        assert written is not None
        assert written.status_on_server == status
        with pytest.raises(ApiUnavailable, match="422"):
            await client.write_status(written, {"observedGeneration": -1})
    finally:
        await client.close()


async def test_describe_shows_events_in_the_order_in_which_they_happened(team: Namespace, account: Path) -> None:
    team.apply(resource("perses", secret_name="perses-db"))
    there = Resource.parse(team.get("perses"))
    client = Client(await load_configuration(account, None), instance="test")
    reasons = [f"Reason{chr(ord('A') + number * 7 % 26)}" for number in range(26)]
    try:
        for reason in reasons:
            await client.post_event(there, Event(reason, "Something happened."))
    finally:
        await client.close()
    described = team.cluster.kubectl("describe", "ddb", "perses", "-n", team.name).stdout
    assert re.findall(r"^  Normal +(Reason\w)", described, re.MULTILINE) == reasons
