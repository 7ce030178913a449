"""Chain of factors from the papers' headline ratio to the ratio of the whole system."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from ..cost.adders import adder_tree, term_bits
from ..cost.estimates import Estimate
from ..cost.lowered import LoweredProduct
from ..cost.paper import adder as paper_adder
from ..cost.parts import ATTENTION_ROLES, HEAD_ROLES, SCALE_ROLES
from ..cost.ratios import ratio
from ..errors import MismatchError
from ..inputs.formats import Kind, parse_format
from ..inputs.roles import LINEAR_ROLES
from ..prices.macs import MacEntry, find_mac
from ..tally import Key


class Link(NamedTuple):
    """One step of the chain.

    Attributes
    ----------
    title : str
        Change that the step makes.
    factor : float
        Ratio after the change divided by the ratio before it; in the first link, the ratio itself.
    ratio : float
        Savings ratio after the change.
    """

    title: str
    factor: float
    ratio: float


_MATRIX_ROLES = frozenset((*LINEAR_ROLES, *ATTENTION_ROLES))
_WITH_HEAD = _MATRIX_ROLES | {*HEAD_ROLES}


def factor_chain(paper: tuple[Estimate, Estimate], system: tuple[Estimate, Estimate]) -> list[Link]:
    """Factor the change from the papers' headline ratio to the ratio of the whole system.

    The headline ratio is that of one MAC and one addition. The order of the steps is fixed, and
    each factor is relative to the ratio that the earlier steps have reached.

    Parameters
    ----------
    paper, system : pair of Estimate
        Baseline and add-only scheme under each convention, with one energy table.

    Returns
    -------
    list of Link
        The first is the price of one baseline MAC divided by that of one addition; the product of
        all factors is the ratio of the system estimates.

    Raises
    ------
    MismatchError
        If the product of the factors differs from that ratio.
    """
    table = paper[0].table
    operand, other_operand = (_linear_product(of).activation for of in paper)
    addend = paper_adder(other_operand)
    mac = table.price("mul", operand.name).pj + table.price("add", paper_adder(operand)).pj
    one = mac / table.price("ternary-add", addend).pj
    links = [Link(f"one {operand.name} MAC against one {addend} addition", one, one)]

    def link(title: str, baseline: float, other: float) -> None:
        now = baseline / other
        links.append(Link(title, now / links[-1].ratio, now))

    def scaled(of: Estimate) -> float:
        """Return the energy of the projections and FFN with their scales, J."""
        roles = {*LINEAR_ROLES, *SCALE_ROLES}
        return sum(row.joules for row in of.arithmetic if row.key.role in roles)

    elements = _elements(system)
    if elements is not None:
        baseline, other = elements
        # Widths come first, because published prices suffice for them.
        widths = [_published_mac(of, mac) for of, mac in zip(system, elements, strict=True)]
        link(f"sums at their width, {table.base}", *widths)
        quiet = [mac.logic_pj - mac.glitches_pj for mac in elements]
        link("our gates: multiplexing and sign logic", *quiet)
        link("flip-flops and clock pins", *(mac.pj - mac.glitches_pj for mac in elements))
        link("glitches", baseline.pj, other.pj)
        link("operand registers shared by tokens and rows", *map(_linear_mac, system))
    else:
        link("scales of projections and FFN (paper)", *map(scaled, paper))
        link("attention in floats (paper)", *(of.arithmetic_j for of in paper))

    def bare(of: Estimate, roles: frozenset[str], real: Callable[[Key], bool]) -> float:
        """Return the energy of the matrix products that have one of the roles, J.

        Additions for which `real` holds are priced at the width of their adder, others at the width
        of their operands.
        """
        return sum(
            row.joules
            if row.key.operation in ("mul", "mac") or real(row.key)
            else row.number * table.price("add", paper_adder(row.key.format)).pj * 1e-12
            for row in of.arithmetic
            if row.key.role in roles
        )

    def nothing(_key: Key) -> bool:
        return False

    def floats(key: Key) -> bool:
        return not key.accumulator or parse_format(key.accumulator).kind is not Kind.INTEGER

    def everything(_key: Key) -> bool:
        return True

    scenario = system[0].scenario.describe().split(", batch")[0]
    link(f"scenario: {scenario}", *(bare(of, _MATRIX_ROLES, nothing) for of in system))
    if system[0].scenario.lm_head != "none":
        link("LM head", *(bare(of, _WITH_HEAD, nothing) for of in system))
    link("float sums in their accumulator", *(bare(of, _WITH_HEAD, floats) for of in system))
    lanes = system[0].machine.lanes
    link(
        f"integer adders at their width, L = {lanes}",
        *(bare(of, _WITH_HEAD, everything) for of in system),
    )
    link("norms, softmax, quantizers, scales", *(of.arithmetic_j for of in system))
    sram = [of.arithmetic_j + of.by("part")["SRAM"].joules for of in system]
    link("SRAM traffic", *sram)
    moved = [of.arithmetic_j + (of.memory_j or 0.0) for of in system]
    link("DRAM traffic", *moved)
    if system[0].static_j is not None:
        link("static energy", *(of.energy.value for of in system))
    _check(links, ratio(*system).value)
    return links


def _linear_product(of: Estimate) -> LoweredProduct:
    """Return the first product of projections and FFN, whose formats the chain uses."""
    return next(product for product in of.lowered.products if product.role in LINEAR_ROLES)


def _elements(system: tuple[Estimate, Estimate]) -> tuple[MacEntry, MacEntry] | None:
    """Return the simulated MACs of projections and FFN in both estimates, or None without both."""
    found = []
    for of in system:
        entry = find_mac(of.table.macs, *_linear_product(of).mac_key[2:])
        if entry is None:
            return None
        found.append(entry[0])
    return found[0], found[1]


def _linear_mac(of: Estimate) -> float:
    """Return the price of one MAC of projections and FFN, with shared registers, pJ."""
    return next(
        row.price.pj
        for row in of.arithmetic
        if row.key.operation == "mac" and row.key.role in LINEAR_ROLES
    )


def _published_mac(of: Estimate, mac: MacEntry) -> float:
    """Return the price of one MAC on L lanes from the base table's bare operations, pJ."""
    table, form = of.table, _linear_product(of).product_format
    multiplication = 0.0 if form is None else table.price("mul", form).pj
    activation, weight, accumulator = map(
        parse_format, (mac.activation, mac.weight, mac.accumulator)
    )
    if accumulator.kind is Kind.FLOAT:
        return multiplication + table.price("add", accumulator.name).pj
    tree = adder_tree(term_bits(activation, weight), accumulator, mac.lanes)
    additions = sum(number * table.price("add", width.name).pj for width, number in tree)
    return multiplication + additions / mac.lanes


def _check(links: list[Link], expected: float) -> None:
    product = 1.0
    for each in links:
        product *= each.factor
    if abs(product / expected - 1) > 1e-9:
        raise MismatchError(
            f"the chain's product {product:.6g} differs from the ratio {expected:.6g}"
        )
