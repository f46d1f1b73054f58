"""`kubectl dashdb`, a plugin of kubectl: https://kubernetes.io/docs/tasks/extend-kubectl/kubectl-plugins/.

client      kubectl itself as the client, with the login and the context that its user has
shown       what the commands print of a resource (pure)
commands    status, plan, approve and logs
bundle      support-bundle
completion  what kubectl shows where a shell completes the plugin's words
"""

import click

from controller import __version__
from controller.cli import run_group
from controller.cli.lazy import LazyGroup

_COMMANDS = {
    "status": ("controller.cli.kubectl.commands:status", "Show which databases are ready, and why others are not."),
    "plan": ("controller.cli.kubectl.commands:plan", "Show the migrations that would run, and what they would remove."),
    "approve": ("controller.cli.kubectl.commands:approve", "Approve the plan of a resource with policy Manual."),
    "logs": ("controller.cli.kubectl.commands:logs", "Show the operator's log, or what it says of one resource."),
    "support-bundle": ("controller.cli.kubectl.bundle:support_bundle", "Collect what a report needs, without Secrets."),
}


@click.group(
    cls=LazyGroup,
    name="kubectl dashdb",
    commands_at=_COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="kubectl dashdb")
def root() -> None:
    """Show and approve what the operator does with the DashboardDatabases of a cluster.

    \b
    Example:
      kubectl dashdb status --all-namespaces
    """


def main() -> None:
    """Run the plugin; print each error as its last words, and exit with its code."""
    run_group(root, prog_name="kubectl dashdb")
