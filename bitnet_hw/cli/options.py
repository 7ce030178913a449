"""Options that several commands share, and the inputs that they describe."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Literal

import click

from ..cost.convention import ConventionName
from ..cost.counting import default_scenario
from ..errors import InputError
from ..files.records import choices
from ..inputs.codecs import Codec, find_codec
from ..inputs.formats import Kind
from ..inputs.lanes import with_lanes
from ..inputs.load import refuse_same_name
from ..inputs.machine import DEFAULT_MACHINE, Machine, load_machine
from ..inputs.model import ModelSpec, load_model
from ..inputs.scenario import MAX_TOKENS, Attention, LmHead, Scenario
from ..inputs.scheme import Scheme, load_scheme
from ..inputs.unit import MAX_LANES
from .output import warn
from .paths import GivenPath


def _all(*options: Any) -> Callable[[Any], Any]:  # noqa: ANN401  click's decorators
    def decorate(function: Any) -> Any:  # noqa: ANN401
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


def scenario_options(*, paper: bool = False) -> Callable[[Any], Any]:
    """Add the options of a scenario; see `build_scenario`.

    Parameters
    ----------
    paper : bool
        Whether the command also has the paper convention, whose defaults the help then states.
    """
    system, papers = default_scenario("system"), default_scenario("paper")

    def default(text: str, on_paper: str) -> str:
        more = f"; {on_paper} with the paper convention" if paper else ""
        return f"Default: {text}{more}."

    return _all(
        click.option(
            "--prefill", type=int, metavar="S", help="Scenario: a prefill of S tokens."
        ),
        click.option(
            "--decode", type=int, metavar="CONTEXT",
            help="Scenario: one new token that attends to CONTEXT positions, itself included. "
            + default(f"context {system.context}", f"a prefill of {papers.tokens} tokens"),
        ),
        click.option(
            "--prompt", type=int, metavar="P",
            help="Scenario: a request with a prompt of P tokens; needs --generate.",
        ),
        click.option(
            "--generate", type=int, metavar="G",
            help="Number of tokens that the request generates; needs --prompt.",
        ),
        click.option(
            "--batch", type=int, metavar="B",
            help=f"Number of sequences processed together. Default: {system.batch}.",
        ),
        click.option(
            "--attention", type=click.Choice(choices(Attention)),
            help="Positions that a token of a prefill attends to: itself and those before it "
            "(causal), or all of them (full). " + default(system.attention, papers.attention),
        ),
        click.option(
            "--lm-head", type=click.Choice(choices(LmHead)),
            help="Positions whose logits are computed. " + default(system.lm_head, papers.lm_head),
        ),
    )  # fmt: skip


def convention_option(function: Any) -> Any:  # noqa: ANN401
    """Add ``--convention``."""
    return click.option(
        "--convention",
        type=click.Choice(choices(ConventionName)),
        default="system",
        help="Rules of counting: those of the BitNet papers' energy tables (paper), or all "
        "operations, memory traffic and time on a machine (system). Default: system.",
    )(function)


def _check_codec(_context: click.Context, _option: click.Parameter, name: str | None) -> str | None:
    """Return a codec's name; an unknown one is answered with near names, not with all of them."""
    return None if name is None else find_codec(name).name


def machine_options(function: Any) -> Any:  # noqa: ANN401
    """Add the options that change schemes and machine; see `build_machine`."""
    return _all(
        click.option(
            "--codec", metavar="CODEC", callback=_check_codec,
            help="Codec of the stored projections and FFN, in every scheme that it fits: 2bit, "
            "base3, q2_0, tq1_0 and others (docs/files.md lists them). Default: each scheme's own.",
        ),
        click.option(
            "--machine", metavar="NAME_OR_FILE",
            help="Machine that runs the model: a name (see `bitnet-hw machines`) or a YAML file. "
            f"Default: {DEFAULT_MACHINE}.",
        ),
        click.option(
            "--lanes", type=int, metavar="L",
            help="Lanes of the machine's arrays for ternary or binary weights, 1 to "
            f"{MAX_LANES}: the terms of a dot product that an adder tree takes per cycle. Other "
            "units, such as that of the FP16 baseline, stay as they are. Default: the machine's "
            "own.",
        ),
        click.option(
            "--float-accumulator", type=click.Choice(["fp16", "fp32"]),
            help="Format in which sums of 16-bit floats accumulate. Default: the scheme's own "
            "(fp32).",
        ),
    )(function)  # fmt: skip


def oversized_option(function: Any) -> Any:  # noqa: ANN401
    """Add ``--oversized``."""
    return click.option(
        "--oversized", is_flag=True,
        help="Print savings of models that do not fit the machine's memory too. Default: such "
        "models are marked, and no saving is printed for them.",
    )(function)  # fmt: skip


def checkpoint_option(function: Any) -> Any:  # noqa: ANN401
    """Add ``--checkpoint``; see `measure_zeros`."""
    return click.option(
        "--checkpoint", type=GivenPath("a file or a folder"), metavar="PATH",
        help="Checkpoint that gives the fraction of zero weights (see `bitnet-hw census`). "
        "Default: no checkpoint; the scheme's assumed fraction is used.",
    )(function)  # fmt: skip


def build_models(configs: Iterable[str]) -> list[ModelSpec]:
    """Return the models that a command compares.

    Raises
    ------
    InputError
        If a model is unknown, or two have one name.
    """
    models = [load_model(config) for config in configs]
    refuse_same_name("model", models)
    return models


def build_scenario(
    convention: ConventionName, given: dict[str, Any], models: Iterable[ModelSpec]
) -> Scenario:
    """Return the scenario that the options describe.

    Parameters
    ----------
    convention : str
        Convention whose defaults apply where no option is given.
    given : mapping
        Values of `scenario_options`, by parameter name; None for those not given.
    models : iterable of ModelSpec
        Models whose learned positions bound the default length. A warning on standard error names
        those without learned positions that the scenario takes beyond their longest context.

    Raises
    ------
    InputError
        If two phases are given at once, or a length is out of range, or full attention is asked
        for without a prefill.
    """
    phases = [name for name in ("prefill", "decode", "prompt") if given[name] is not None]
    if len(phases) > 1:
        raise InputError(f"--{phases[0]} and --{phases[1]} exclude each other; give one")
    if (given["prompt"] is None) != (given["generate"] is None):
        raise InputError("a request needs both --prompt P and --generate G")
    models = tuple(models)
    if given["decode"] == 0:
        raise InputError("--decode 0: the new token attends at least to itself; give 1 or more")
    base = default_scenario(convention, *models)
    phase = phases[0] if phases else None
    length: dict[str, Any] = {}
    if phase == "prefill":
        length = {"phase": "prefill", "tokens": given["prefill"], "context": 0}
    elif phase == "decode":
        length = {"phase": "decode", "tokens": 0, "context": given["decode"]}
    elif phase == "prompt":
        length = {
            "phase": "request", "tokens": given["prompt"], "context": 0,
            "generate": given["generate"],
        }  # fmt: skip
    rest = {k: given[k] for k in ("batch", "attention", "lm_head") if given[k] is not None}
    scenario = base.replace(**length, **rest)
    if given["attention"] == "full" and scenario.phase == "decode":
        raise InputError("--attention full applies to a prefill; add --prefill S")
    _warn_beyond(scenario, models)
    return scenario


def _warn_beyond(scenario: Scenario, models: Iterable[ModelSpec]) -> None:
    beyond = [
        f"{model.name} ({model.max_position_embeddings})"
        for model in models
        if model.positions != "learned"
        and scenario.last_position > (model.max_position_embeddings or MAX_TOKENS)
    ]
    if beyond:
        warn(
            f"the scenario needs {scenario.last_position} positions, more than the longest "
            f"context of {', '.join(beyond)}"
        )


def build_machine(
    convention: ConventionName, name: str | None, lanes: int | None, codec: str | None = None
) -> Machine:
    """Return the machine that the options describe.

    Raises
    ------
    InputError
        If an option is given that the convention has no machine for, the machine is unknown, the
        number of lanes is not from 1 to 65536, or the machine has no array whose lanes it could be.
    """
    if convention == "paper":
        flags = (("--machine", name), ("--lanes", lanes), ("--codec", codec))
        for flag, value in flags:
            if value is not None:
                raise InputError(
                    f"{flag} {value} contradicts --convention paper, which has no machine: "
                    "no accumulator width, no memory, no time"
                )
    machine = load_machine(DEFAULT_MACHINE if name is None else name)
    if lanes is None:
        return machine
    if not 1 <= lanes <= MAX_LANES:
        raise InputError(f"--lanes {lanes}: give a number from 1 to {MAX_LANES}")
    try:
        return with_lanes(machine, lanes)
    except InputError as error:
        raise InputError(f"--lanes {lanes}: {error}") from None


def build_schemes(names: str, codec: str | None) -> list[Scheme]:
    """Return the schemes of a comma-separated list, with a codec in those that it fits.

    Raises
    ------
    InputError
        If a scheme is unknown or named twice, or the codec fits none of them.
    """
    given = split_names("--scheme", "scheme", names)
    schemes = [load_scheme(name) for name in given]
    refuse_same_name("scheme", schemes, given)
    if codec is None:
        return schemes
    stored = find_codec(codec)
    fits = [scheme.linear.stored_by(codec) for scheme in schemes]
    if not any(fits):
        raise InputError(
            f"--codec {codec} stores {_stored_weights(stored)} weights; "
            f"none of the schemes has any: {', '.join(scheme.name for scheme in schemes)}"
        )
    return [s.with_codec(codec) if fit else s for s, fit in zip(schemes, fits, strict=True)]


def _stored_weights(codec: Codec) -> str:
    """Return the weights that a codec stores, in words: ``4-bit integer``, ``ternary/binary``."""
    words = {Kind.INTEGER: "integer"}
    wide = (Kind.FLOAT, Kind.INTEGER)
    return "/".join(
        f"{codec.bits:g}-bit {words.get(kind, kind.value)}" if kind in wide else kind.value
        for kind in codec.kinds
    )


def measure_zeros(schemes: list[Scheme], checkpoint: Path | None, model: ModelSpec) -> list[Scheme]:
    """Return the schemes with the fraction of zeros of a checkpoint's ternary weights.

    Schemes without ternary weights are returned unchanged. Warnings go to standard error.

    Raises
    ------
    InputError
        If none of the schemes is ternary, or the checkpoint cannot be read or holds no ternary
        weights.
    """
    if checkpoint is None:
        return schemes
    is_ternary = [scheme.linear.weight_format.kind is Kind.TERNARY for scheme in schemes]
    if not any(is_ternary):
        raise InputError(
            f"--checkpoint {checkpoint} counts zeros of ternary weights; none of the schemes has "
            f"any: {', '.join(scheme.name for scheme in schemes)}"
        )
    # The census needs numpy, which a command without a checkpoint does not load.
    from ..census import take_census
    from .progress import tensors

    with tensors("census") as say:
        census = take_census(checkpoint, sparsity=False, progress=say)
    for warning in census.warnings:
        warn(warning)
    if not census.weights or census.zero_fraction is None:
        raise InputError(f"{checkpoint}: no ternary weights among {len(census.matrices)} tensors")
    if census.weights != model.linear_parameters:
        warn(
            f"{checkpoint}: {census.weights:,} ternary weights; {model.name} has "
            f"{model.linear_parameters:,} in its projections and FFN"
        )
    by_role = census.zeros_by_role()
    return [
        scheme.with_weight_zeros(census.zero_fraction, by_role, census.name) if fits else scheme
        for scheme, fits in zip(schemes, is_ternary, strict=True)
    ]


def split_names(option: str, what: str, names: str) -> list[str]:
    """Split a comma-separated list of names.

    Parameters
    ----------
    option, what : str
        The option, and the kind of thing that it names, for messages.
    names : str
        Its value.

    Raises
    ------
    InputError
        If there is no name, one is empty, or one is given twice.
    """
    found = [name.strip() for name in names.split(",")]
    if not any(found):
        raise InputError(f"no {what} is named")
    if not all(found):
        raise InputError(f"an empty name in {option} {names}")
    for name in found:
        if found.count(name) > 1:
            raise InputError(f"{what} {name} is named twice")
    return found


OutputForm = Literal["table", "csv", "json"]


def output_options(function: Any) -> Any:  # noqa: ANN401
    """Add ``--json`` and ``--csv``; see `output_form`."""
    return _all(
        click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table."),
        click.option("--csv", "as_csv", is_flag=True, help="Print CSV instead of a table."),
    )(function)


def output_form(as_json: bool, as_csv: bool) -> OutputForm:
    """Return the output form that the flags choose.

    Raises
    ------
    InputError
        If both are given.
    """
    if as_json and as_csv:
        raise InputError("--json and --csv exclude each other; give one")
    return "json" if as_json else "csv" if as_csv else "table"
