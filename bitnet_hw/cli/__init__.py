"""The command line: arguments in, files and exit codes out.

One module a command, loaded when it is called, so that ``bitnet-hw --help`` loads none of them.
"""

from __future__ import annotations

import importlib
import os
import sys
from typing import Any

import click

from ..errors import BitnetHwError, ContradictionError

#: Command name -> the one-line help that the listing shows. The module of the same name
#: (dashes as underscores) holds a click command called ``command``.
COMMANDS = {
    "census": "Count the -1, 0 and +1 of a checkpoint.",
    "count": "Count additions and multiplications by format and role.",
    "estimate": "Price a count in joules, with memory and time beside it.",
    "export": "Write a workload and its prices for another tool.",
    "footprint": "Bytes of weights, embeddings, KV cache and activations.",
    "machines": "List the machines, or show one.",
    "measure": "Gate-level energy of the processing elements on standard cells.",
    "models": "List the catalogue of models.",
    "report": "Write the energy-savings report.",
    "schemes": "List the schemes, or show one.",
    "simulate": "Simulate a processing element against the numeric reference.",
    "tables": "List, show and check energy tables.",
    "verilog": "Export a processing element as Verilog.",
}


class _LazyGroup(click.Group):
    """A group that imports a command's module only when that command runs."""

    def list_commands(self, _ctx: click.Context) -> list[str]:
        return list(COMMANDS)

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
    try:
        result: Any = cli.main(args=args, prog_name="bitnet-hw", standalone_mode=False)
        sys.stdout.flush()
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
        return 2
    except click.ClickException as error:
        return _fail(error.format_message(), 2)
    except click.Abort:
        return _fail("interrupted", 130)
    except ContradictionError as error:
        option = f"--{error.setting.replace('_', '-')} {error.value}"
        return _fail(f"{option} contradicts --convention {error.convention}, {error.reason}", 2)
    except BitnetHwError as error:
        return _fail(str(error), error.exit_code)
    except BrokenPipeError:
        # The reader of our pipe (head, less) has what it wanted.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        # What is left in the buffer would fail again when the interpreter ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _fail(f"cannot write: {error.strerror or error}", 1)
    return result if isinstance(result, int) else 0


def _fail(message: str, code: int) -> int:
    line = " ".join(message.split())
    click.echo(f"bitnet-hw: error: {line}", err=True)
    return code
