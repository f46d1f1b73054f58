"""Everything that the operator says to anybody, for tests that look for what must not be in it."""

import json

from tests.support.resources import Namespace
from tests.support.serving import OperatorProcess

PATHS = ("/", "/ready", "/api/v1/health", "/metrics/health", "/metrics")


def everything_said(operator: OperatorProcess, team: Namespace) -> str:
    """Its log, the events and resources of TEAM, and the answers of its endpoints, as one text."""
    resources = team.cluster.kubectl("get", "ddb", "-n", team.name, "-o", "json").stdout
    answers = [operator.get(path)[1] for path in PATHS]
    return "\n".join([operator.log, json.dumps(team.events()), resources, *answers])
