"""The family of processing elements by name: the one list of all kinds."""

from __future__ import annotations

from ..errors import InputError, unknown_name
from .fp16 import Fp16Spec
from .multiply import Int4Spec, Int8Spec
from .pe import PESpec
from .ternary import BinarySpec, TernarySpec

#: Every kind of processing element. The command line, the exports and the tests use this list.
FAMILY: dict[str, type[PESpec]] = {
    spec.name: spec
    for spec in (
        TernarySpec,
        BinarySpec,
        Int8Spec,
        Int4Spec,
        Fp16Spec,
    )
}


def make_spec(name: str, **parameters: object) -> PESpec:
    """Return the specification of a processing element.

    Parameters
    ----------
    name : str
        A key of `FAMILY`.
    **parameters
        Parameters of that specification; None keeps the default.

    Raises
    ------
    InputError
        If the name is unknown, the element has no such parameter, or a value is out of range.

    Examples
    --------
    >>> make_spec("ternary", lanes=8, k_max=4096).sum_bits
    21
    """
    if name not in FAMILY:
        raise unknown_name("processing element", name, FAMILY)
    given = {key: value for key, value in parameters.items() if value is not None}
    known = FAMILY[name].parameter_names()
    for key in given:
        if key not in known:
            raise InputError(f"the {name} PE has no parameter {key}; it has {', '.join(known)}")
    spec: PESpec = FAMILY[name](**given)  # type: ignore[arg-type]  # each spec checks its values
    return spec
