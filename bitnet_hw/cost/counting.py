"""Counting in closed form: the tally of a model in a scenario and a scheme."""

from __future__ import annotations

from pathlib import Path

from ..errors import InputError, named, unknown_name
from ..inputs.machine import Machine
from ..inputs.model import ModelSpec, as_model
from ..inputs.scenario import Scenario, as_scenario
from ..inputs.scheme import Scheme, as_scheme
from ..tally import OpTally
from .convention import Convention, ConventionName
from .lowering import lower
from .paper import PaperConvention
from .system import SystemConvention

_CONVENTIONS: dict[str, Convention] = {
    convention.name: convention for convention in (PaperConvention(), SystemConvention())
}


def find_convention(name: str) -> Convention:
    """Return a convention by name.

    Raises
    ------
    InputError
        If the name is unknown, or is not text.
    """
    if not isinstance(name, str):
        kinds = " or ".join(repr(each) for each in _CONVENTIONS)
        raise InputError(f"convention must be {kinds}, found {named(name)}")
    if name not in _CONVENTIONS:
        raise unknown_name("convention", name, _CONVENTIONS)
    return _CONVENTIONS[name]


def default_scenario(convention: ConventionName, *models: ModelSpec | str | Path) -> Scenario:
    """Return the scenario that a convention uses if none is given.

    Examples
    --------
    >>> default_scenario("system").context
    2048
    """
    return find_convention(convention).default_scenario(*map(as_model, models))


def count(
    model: ModelSpec | str | Path,
    scenario: Scenario,
    scheme: Scheme | str | Path,
    convention: ConventionName = "system",
    machine: Machine | str | Path | None = None,
) -> OpTally:
    """Count the operations of a model in closed form.

    Parameters
    ----------
    model : ModelSpec, str or Path
        Model, its name in the catalogue, or its file.
    scenario : Scenario
        Workload: phase, lengths, batch.
    scheme : Scheme, str or Path
        Number formats; a scheme, its name in the catalogue, or its file.
    convention : str
        ``system`` or ``paper``: see the modules of those names in `bitnet_hw.cost`.
    machine : Machine, str or Path, optional
        Machine, whose lanes and sharing of fetches the system convention uses. Default: the default
        machine. The paper convention has none.

    Returns
    -------
    OpTally
        Counts by scope, role, operation and format.

    Raises
    ------
    InputError
        If the scenario contradicts the convention or the model, or an integer accumulator that the
        scheme fixes could overflow.

    Examples
    --------
    >>> tally = count("bitnet-b1.58-2b4t", Scenario("decode", context=2048), "bitnet-b1.58")
    >>> tally.total("mul"), tally.total("add", "ternary-add")
    (648415051, 2728666745)
    """
    rules = find_convention(convention)
    rules.check(as_scenario(scenario))
    rules.check_machine(machine)
    return rules.count(lower(model, scenario, rules.prepared(as_scheme(scheme), None), machine))
