"""Group of commands that loads the module of a command only when it is used, and none for `--help`."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import click

from controller.runtime.gc_tuning import no_collections


class LazyGroup(click.Group):
    """Group of commands in modules that are loaded when needed.

    Args:
        commands_at: for each name, the command as `module:attribute`, and its line in the list of commands.
    """

    def __init__(self, *args: Any, commands_at: Mapping[str, tuple[str, str]], **options: Any) -> None:
        super().__init__(*args, **options)
        self._commands_at = commands_at

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(self._commands_at)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in self._commands_at:
            return None
        module, _, attribute = self._commands_at[cmd_name][0].partition(":")
        with no_collections():
            command: click.Command = getattr(import_module(module), attribute)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            from difflib import get_close_matches  # noqa: PLC0415 - no other start of the program needs it

            near = get_close_matches(args[0], self._commands_at)
            raise click.UsageError(
                f"{error.message} Did you mean {' or '.join(near)}?" if near else error.message, ctx
            ) from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in self._commands_at.items()])
