"""The family of processing elements, by the names that the command line takes."""

from __future__ import annotations

from dataclasses import fields

from ..errors import InputError, unknown_name
from .fp16 import Fp16Spec
from .multiply import Int4Spec, Int8Spec
from .pe import PESpec
from .ternary import BinarySpec, TernarySpec

FAMILY: dict[str, type[PESpec]] = {
    spec.name: spec for spec in (TernarySpec, BinarySpec, Int8Spec, Int4Spec, Fp16Spec)
}


def make_spec(name: str, **parameters: object) -> PESpec:
    """Return the specification of a processing element.

    Parameters
    ----------
    name : str
        ``ternary``, ``binary``, ``int8``, ``int4`` or ``fp16``.
    **parameters
        Attributes of that specification; None leaves one at its default.

    Raises
    ------
    InputError
        If the name is unknown, the element has no such parameter, or a value is out of range.
    """
    if name not in FAMILY:
        raise unknown_name("processing element", name, FAMILY)
    given = {key: value for key, value in parameters.items() if value is not None}
    known = sorted(entry.name for entry in fields(FAMILY[name]))
    for key in given:
        if key not in known:
            raise InputError(f"the {name} PE has no parameter {key}; it has {', '.join(known)}")
    spec: PESpec = FAMILY[name](**given)  # type: ignore[arg-type]  # each spec checks its values
    return spec
