"""The user's own kubectl as the client: it knows every way to log in that the user's cluster asks for."""

import json
import shlex
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import Any, TypeVar, cast

import click

from controller.errors import DashdbError
from controller.text import limited

SECONDS = 60
"""Time limit of one call in seconds; kubectl itself would wait for ever for an API server that hangs."""
RESOURCES = "dashboarddatabases.dashdb.dev"
OPERATOR_NAMESPACE = "dashdb-system"
OPERATOR = "--selector=app.kubernetes.io/name=dashboard-database-operator,app.kubernetes.io/component=operator"
"""Option that selects the operator's objects, by their labels in manifests/."""

F = TypeVar("F", bound=Callable[..., Any])


class KubectlError(DashdbError):
    """Failure of kubectl, or none is there."""

    reason = "KubectlFailed"


@dataclass(frozen=True, slots=True)
class Kubectl:
    """One kubectl with the options of this call.

    Attributes:
        namespace: None for the one of the context.
        options: --kubeconfig and --context, as they were given.
    """

    namespace: str | None
    options: tuple[str, ...]

    def command(self, *arguments: str, names: Sequence[str] = (), all_namespaces: bool = False) -> list[str]:
        """Return the whole command line; NAMES come last, where kubectl takes none of them for an option."""
        scope = ["--all-namespaces"] if all_namespaces else [f"--namespace={self.namespace}"] if self.namespace else []
        return [_program(), *arguments, *scope, *self.options, "--", *names]

    def scoped(self, name: str) -> str:
        """Return words for a command about the same resource in the same cluster, as a person types them."""
        scope = ["--namespace", self.namespace] if self.namespace else []
        return shlex.join([name, *scope, *self.options])

    def run(self, *arguments: str, names: Sequence[str] = (), all_namespaces: bool = False) -> str:
        """Return what kubectl prints.

        Raises:
            KubectlError: it failed; the message has its own words.
        """
        command = self.command(*arguments, names=names, all_namespaces=all_namespaces)
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)  # noqa: S603
        except subprocess.TimeoutExpired:
            raise KubectlError(f"kubectl {arguments[0]} did not end within {SECONDS} s.") from None
        if done.returncode:
            raise KubectlError(limited(done.stderr.strip() or f"kubectl {arguments[0]} ended with {done.returncode}."))
        return done.stdout

    def resource(self, name: str) -> dict[str, Any]:
        """Return one DashboardDatabase.

        Raises:
            KubectlError: there is none, or it may not be read.
        """
        found: dict[str, Any] = json.loads(self.run("get", RESOURCES, "--output=json", names=[name]))
        return found

    def resources(self, *, all_namespaces: bool) -> list[dict[str, Any]]:
        """Return the DashboardDatabases of the namespace, or of all.

        Raises:
            KubectlError: they may not be read.
        """
        found = json.loads(self.run("get", RESOURCES, "--output=json", all_namespaces=all_namespaces))
        items: list[dict[str, Any]] = found["items"]
        return items


def _program() -> str:
    program = shutil.which("kubectl") or shutil.which("oc")
    if program is None:
        raise KubectlError("There is no kubectl on PATH. Install it, or call oc.", reason="KubectlMissing")
    return program


def cluster_options(function: F) -> F:
    """Add the options of kubectl that say which cluster and namespace is meant; hand them over as `kubectl`."""

    @wraps(function)
    def with_kubectl(*, namespace: str | None, context: str | None, kubeconfig: str | None, **others: Any) -> Any:
        options = {"--context": context, "--kubeconfig": kubeconfig}
        given = tuple(f"{name}={value}" for name, value in options.items() if value)
        return function(kubectl=Kubectl(namespace, given), **others)

    command: Any = with_kubectl
    for option in (
        click.option("--kubeconfig", metavar="FILE", help="As kubectl's own option."),
        click.option("--context", metavar="NAME", help="As kubectl's own option."),
        click.option("-n", "--namespace", metavar="NAME", help="Namespace; default: that of the context."),
    ):
        command = option(command)
    return cast("F", command)


def operator_namespace_option(function: F) -> F:
    """Add the option that says where the operator runs."""
    return click.option(
        "--operator-namespace",
        default=OPERATOR_NAMESPACE,
        show_default=True,
        metavar="NAME",
        help="Where the operator runs.",
    )(function)
