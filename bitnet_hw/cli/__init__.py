"""The command line.

Each command has a module, which is imported when the command runs; ``bitnet-hw --help`` imports
none of them.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from typing import Any

import click

from ..errors import BitnetHwError, ContradictionError, ExistsError, UnknownNameError, unknown_name
from .usage import explain, explain_unknown

#: Command name -> its line in the list of commands. The module of that name holds a click command
#: called ``command``.
COMMANDS = {
    "calibrate": "Fit a machine to published measurements of it.",
    "census": "Count the weights of a checkpoint that are -1, 0 and +1.",
    "count": "Count additions and multiplications by number format and role.",
    "estimate": "Estimate energy, memory and time.",
    "export": "Write a workload and its energy prices for another tool.",
    "footprint": "Show the bytes of weights, embeddings, KV cache and activations.",
    "machines": "List the shipped machines, or show one machine.",
    "measure": "Measure the energy of processing elements on standard cells.",
    "models": "List the shipped models, or show one model.",
    "report": "Write the report on energy savings.",
    "schemes": "List the shipped schemes, or show one scheme.",
    "simulate": "Simulate a processing element and compare it with the reference.",
    "tables": "List, show and check energy tables.",
    "validate": "Compare the cost model with published measurements.",
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
        module = importlib.import_module(f".{cmd_name}", __name__)
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
        Arguments after the program's name. Default: those of the process.

    Returns
    -------
    int
        Exit code: 0 for success, 1 if the output cannot be written, 2 for bad input, 3 for a
        missing tool, 4 for a mismatch, 130 for an interrupt.
    """
    return run(cli, args, "bitnet-hw")


def run(command: click.Command, args: Sequence[str] | None, name: str) -> int:
    """Run a command, and print an error as one line on standard error.

    Parameters
    ----------
    command : click.Command
        Command to run.
    args : sequence of str, optional
        Arguments after the program's name. Default: those of the process.
    name : str
        Name of the program, with which the line begins.

    Returns
    -------
    int
        Exit code; see `main`.
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
    except UnknownNameError as error:
        return _fail(name, explain_unknown(error), error.exit_code)
    except BitnetHwError as error:
        return _fail(name, str(error), error.exit_code)
    except BrokenPipeError:
        # The reader of our pipe, such as head, has closed it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        # Without this, writing the rest of the buffer fails again when the interpreter exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _fail(name, f"cannot write: {error.strerror or error}", 1)
    return result if isinstance(result, int) else 0


def _fail(name: str, message: str, code: int) -> int:
    line = " ".join(message.split())
    click.echo(f"{name}: error: {line}", err=True)
    return code
