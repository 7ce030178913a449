"""JSON form of a report."""

from __future__ import annotations

from typing import Any

from ..inputs.elementwise import elementwise_functions
from ..inputs.roles import LINEAR_ROLES
from ..inputs.scheme import Scheme
from ..prices.loading import load_expansions
from .content import EXCLUDED, Report
from .headline import conditions, headline
from .provenance import price_row

#: Version of the JSON form of a report.
SCHEMA = 3


def as_dict(report: Report) -> dict[str, Any]:
    """Return the JSON form of a report, version `SCHEMA`."""
    return {
        "schema": SCHEMA,
        "version": report.version,
        "command": report.command,
        "machine": {
            "name": report.machine.name,
            "hypothetical": report.machine.hypothetical,
            "boundary": str(report.machine.boundary),
        },
        "misfits": report.misfits(),
        "weight_zeros": {
            scheme.name: _weight_zeros(report, scheme)
            for scheme in report.schemes
            if scheme.add_only
        },
        "headline": [headline(report, model, report.tables[0]) for model in report.models],
        "conditions": [conditions(report, model) for model in report.models],
        "estimates": [of.as_dict() for of in report.estimates()],
        "sizes": [point._asdict() for point in report.sizes],
        "chain": {
            name: [link._asdict() for link in links] for name, links in report.chains.items()
        },
        "sharing": [point._asdict() for point in report.sharing],
        "tornado": [one._asdict() for one in report.tornado],
        "left_out": report.left_out,
        "simulated": [one._asdict() for one in report.simulated_savings()],
        "unsaved": [one._asdict() for one in report.unsaved],
        "excluded": list(EXCLUDED),
        "prices": [price_row(use) for use in report.prices],
        "expansions": load_expansions().name,
        "elementwise_edition": elementwise_functions().edition,
    }


def _weight_zeros(report: Report, scheme: Scheme) -> dict[str, Any]:
    products = report.system_of(scheme, report.tables[0]).lowered.products
    return {
        "fraction": scheme.linear.weight_zeros,
        "basis": scheme.weight_zeros_basis,
        "by_role": {p.role: p.weight_zeros for p in products if p.role in LINEAR_ROLES},
    }
