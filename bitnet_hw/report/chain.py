"""Chain of factors from the papers' headline ratio to the ratio of the whole system."""

from __future__ import annotations

from typing import NamedTuple

from ..cost.adders import adder_tree, term_bits
from ..cost.estimates import Estimate
from ..cost.lowered import LoweredProduct
from ..cost.paper import adder as paper_adder
from ..cost.parts import unsaved_part
from ..errors import MismatchError
from ..inputs.formats import Kind, parse_format
from ..inputs.roles import LINEAR_ROLES
from ..prices.macs import MacEntry, find_mac


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


#: Groups of an estimate's costs, in the order in which the chain adds them.
_GROUPS = (
    "matrix products of projections and FFN",
    "scales and quantizers of projections and FFN",
    "memory traffic of projections and FFN",
    "attention with its KV cache",
    "LM head and embedding",
    "norms, residuals and other steps",
    "static energy",
)


def factor_chain(paper: tuple[Estimate, Estimate], system: tuple[Estimate, Estimate]) -> list[Link]:
    """Factor the change from the papers' headline ratio to the ratio of the whole system.

    The headline ratio is that of one MAC and one addition. The first steps lead to the matrix
    products of projections and FFN as the machine executes them; each further one adds a group of
    costs, those that ternary weights act on first. The order is fixed, and each factor is relative
    to the ratio that the earlier steps have reached.

    Parameters
    ----------
    paper, system : pair of Estimate
        Baseline and add-only scheme under each convention, with one energy table.

    Returns
    -------
    list of Link
        The first is the price of one baseline MAC divided by that of one addition; the product of
        all factors is the ratio of the system estimates. Empty where the machine gives the MACs of
        projections and FFN no energy of their own.

    Raises
    ------
    MismatchError
        If the product of the factors differs from that ratio.
    """
    sums = [_energies(of) for of in system]
    products = [of[_GROUPS[0]] for of in sums]
    if not all(products):
        return []
    links = [_headline(paper)]

    def link(title: str, baseline: float, other: float) -> None:
        now = baseline / other
        links.append(Link(title, now / links[-1].ratio, now))

    elements = _elements(system)
    if elements is not None:
        baseline, other = elements
        # Widths come first, because published prices suffice for them.
        widths = [_published_mac(of, mac) for of, mac in zip(system, elements, strict=True)]
        link(f"sums at their width, {system[0].table.base}", *widths)
        quiet = [mac.logic_pj - mac.glitches_pj for mac in elements]
        link("our gates: multiplexing and sign logic", *quiet)
        link("flip-flops and clock pins", *(mac.pj - mac.glitches_pj for mac in elements))
        link("glitches", baseline.pj, other.pj)
        link("operand registers shared by tokens and rows", *products)
    elif any(map(_own_price, system)):
        link(f"MACs as {system[0].machine.name} states their energy", *products)
    else:
        lanes = _linear_product(system[1]).unit.lanes
        link(f"sums at their width, adder trees of L = {lanes} lanes", *products)
    so_far = products
    for name in _GROUPS[1:]:
        added = [of.get(name, 0.0) for of in sums]
        if any(added):
            so_far = [old + new for old, new in zip(so_far, added, strict=True)]
            link(name, *so_far)
    _check(links, system[0].energy.value / system[1].energy.value)
    return links


def _headline(paper: tuple[Estimate, Estimate]) -> Link:
    """Return the ratio of one MAC of the baseline and one addition, or MAC, of the other scheme."""
    table = paper[0].table
    products = [_linear_product(of) for of in paper]
    energies, words = [], []
    for product in products:
        addend = paper_adder(product.activation)
        if product.weight.add_only:
            energies.append(table.price("ternary-add", addend).pj)
            words.append(f"one {addend} addition")
        else:
            form = product.product_format or product.activation.name
            price = table.price("mul", form).pj + table.price("add", paper_adder(form)).pj
            energies.append(price)
            words.append(f"one {form} MAC")
    one = energies[0] / energies[1]
    return Link(" against ".join(words), one, one)


def _energies(of: Estimate) -> dict[str, float]:
    """Return the energy of each group of `_GROUPS`, J."""
    products, scales, moved, attention, head, other, static = _GROUPS
    named = {
        "attention": attention, "KV cache": attention, "LM head and embedding": head,
        "other": other, "static": static,
    }  # fmt: skip
    sums: dict[str, float] = {}
    for (reach, level, role, content), cost in of.by("reach", "level", "role", "content").items():
        part = unsaved_part(reach, role, content)
        if part in named:
            group = named[part]
        elif level != "logic":
            group = moved
        else:
            group = products if role in LINEAR_ROLES else scales
        sums[group] = sums.get(group, 0.0) + cost.joules
    return {products: 0.0, **sums}


def _own_price(of: Estimate) -> bool:
    """Return whether the machine states the energy of a MAC of projections and FFN itself."""
    product = _linear_product(of)
    return product.unit.mac_energy(product.pair) is not None


def _linear_product(of: Estimate) -> LoweredProduct:
    """Return the first product of projections and FFN, whose formats the chain uses."""
    return next(product for product in of.lowered.products if product.role in LINEAR_ROLES)


def _elements(system: tuple[Estimate, Estimate]) -> tuple[MacEntry, MacEntry] | None:
    """Return the simulated MACs of projections and FFN in both estimates, or None without both."""
    if any(map(_own_price, system)):
        return None
    found = []
    for of in system:
        entry = find_mac(of.table.macs, *_linear_product(of).mac_key[2:])
        if entry is None:
            return None
        found.append(entry[0])
    return found[0], found[1]


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
