"""The command line: arguments in, files and exit codes out.

Each command has a module, loaded when it is called, so that ``bitnet-hw --help`` loads none.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from typing import Any

import click

from ..errors import BitnetHwError, ContradictionError, ExistsError, unknown_name
from .usage import explain

#: Command name -> the line of help in the listing. The module of the same name
#: (dashes as underscores) holds a click command called ``command``.
COMMANDS = {
    "census": "Count the weights of a checkpoint that are -1, 0 and +1.",
    "count": "Count additions and multiplications by format and role.",
    "estimate": "Estimate energy, memory and time.",
    "export": "Write a workload and its energy prices for another tool.",
    "footprint": "Show the bytes of weights, embeddings, KV cache and activations.",
    "machines": "List the shipped machines, or show one machine.",
    "measure": "Measure the energy of processing elements on a standard-cell library.",
    "models": "List the shipped models, or show one model.",
    "report": "Write the report on energy savings.",
    "schemes": "List the shipped schemes, or show one scheme.",
    "simulate": "Simulate a processing element against the numeric reference.",
    "tables": "List, show and check energy tables.",
    "verilog": "Export a processing element as Verilog.",
}


class _LazyGroup(click.Group):
    """A group that imports a command's module only when that command runs."""

    def list_commands(self, _ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if not args[0].startswith("-") and args[0] not in COMMANDS:
            raise unknown_name("command", args[0], COMMANDS)
        return super().resolve_command(ctx, args)

    def get_command(self, _ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f".{cmd_name.replace('-', '_')}", __name__)
        command: click.Command = module.command
        return command

    def format_commands(self, _ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


def _print_version(ctx: click.Context, _param: click.Parameter, value: bool) -> None:
    if value:
        from importlib.metadata import version

        click.echo(f"bitnet-hw {version('bitnet-hw')}")
        ctx.exit()


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_print_version,
    help="Print the version and exit.",
)  # fmt: skip
def cli() -> None:
    """Energy, memory and hardware of 1-bit and 1.58-bit Transformers (BitNet)."""


def main(args: list[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    args : list of str, optional
        The arguments after the program's name; those of the process when absent.

    Returns
    -------
    int
        The exit code: 0, 1 for an internal stop, 2 for bad input, 3 for a missing tool,
        4 for a mismatch between hardware and reference.
    """
    return run(cli, args, "bitnet-hw")


def run(command: click.Command, args: Sequence[str] | None, name: str) -> int:
    """Run a command; an error becomes one line on standard error.

    Parameters
    ----------
    command : click.Command
        The command.
    args : sequence of str, optional
        The arguments after the program's name; those of the process when absent.
    name : str
        The program's name, with which the line begins.

    Returns
    -------
    int
        The exit code; see `main`.
    """
    given = list(sys.argv[1:] if args is None else args)
    try:
        result: Any = command.main(args=given, prog_name=name, standalone_mode=False)
        sys.stdout.flush()
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
        return 2
    except click.ClickException as error:
        return _fail(name, explain(error, given), 2)
    except click.Abort:
        return _fail(name, "interrupted", 130)
    except ContradictionError as error:
        option = f"--{error.setting.replace('_', '-')} {error.value}"
        message = f"{option} contradicts --convention {error.convention}, {error.reason}"
        return _fail(name, message, error.exit_code)
    except ExistsError as error:
        return _fail(name, f"{error}, or replace it with --force", error.exit_code)
    except BitnetHwError as error:
        return _fail(name, str(error), error.exit_code)
    except BrokenPipeError:
        # The reader of our pipe (head, less) has what it wanted.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        # Whatever is left in the buffer would fail again when the interpreter ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _fail(name, f"cannot write: {error.strerror or error}", 1)
    return result if isinstance(result, int) else 0


def _fail(name: str, message: str, code: int) -> int:
    line = " ".join(message.split())
    click.echo(f"{name}: error: {line}", err=True)
    return code
