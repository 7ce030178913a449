"""Energy tables: the energy of operations at one process node, behind one interface."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field, model_validator

from ..errors import InputError
from ..files.records import wrong_value
from ..tally import MacKey, Operation
from .capacity import Macros
from .editions import load
from .entries import ListedPrice, Price, PriceFile, Source, check_sources
from .expansions import load_expansions
from .macs import ListedMacs, MacEntry, Provenance, price_mac
from .on_chip import load_on_chip_prices
from .operations import ListedOperations, OperationEntry, find
from .sram import SramEntry, sram_macros


class EnergyTable(PriceFile):
    """The energy of operations at one process node: the interface of both kinds of table.

    `price`, `mac_price` and `sram_price` look up energies; `entries` yields the listed prices.
    The look-ups are built from the entries when a table is validated, and never change.

    Attributes
    ----------
    name, title, aliases : str and tuple of str
        Name, subject and short names.
    node_nm : float
        Process node, nm.
    sources : mapping
        Key -> the work.
    macs : tuple of MacEntry
        Whole MACs; empty in a table of operations.
    base : str
        Name of the table that prices everything but MACs; empty in a table of operations.
    memory_node_nm : float
        Process node of the memories on the chip, nm: that of the table that prices SRAM.
    """

    kind: Literal["operations", "macs"]
    node_nm: Annotated[float, Field(gt=0, le=1000)]
    sources: dict[str, Source]

    if TYPE_CHECKING:  # at run time, a parent's property becomes the default of a child's field

        @property
        def macs(self) -> tuple[MacEntry, ...]:
            """Whole MACs; see the attributes."""

        @property
        def base(self) -> str:
            """Name of the base table; see the attributes."""

        @property
        def memory_node_nm(self) -> float:
            """Process node of the memories on the chip; see the attributes."""

    def __repr__(self) -> str:
        """Return one line: kind, name, title, number of listed prices."""
        listed = sum(1 for _ in self.entries())
        return f"{type(self).__name__}: {self.name}, {self.title}, {listed} listed prices"

    @property
    def short_name(self) -> str:
        """The first alias, or the name; the name where the table is superseded."""
        return self.names[1] if len(self.names) > 1 else self.name

    @abstractmethod
    def price(self, operation: Operation, form: str, accumulator: str = "") -> Price:
        """Return the energy of one operation.

        Parameters
        ----------
        operation : str
            An operation of `bitnet_hw.tally.Operation`.
        form : str
            Format of the operands; ``int8*int4`` for a product of two widths.
        accumulator : str
            For an addition, the format of its adder where that is not the operands' own.

        Returns
        -------
        Price
            Listed in the table, or derived by expansion or by interpolating widths.

        Raises
        ------
        MissingPriceError
            If neither the table nor the expansions price it.

        Examples
        --------
        >>> from bitnet_hw.prices.loading import load_table
        >>> load_table("7nm").price("add", "int8").pj
        0.007
        >>> price = load_table("7nm").price("add", "int21")
        >>> round(price.pj, 6), price.kind
        (0.019458, 'derived')
        """

    @abstractmethod
    def mac_price(self, mac: MacKey, tokens: int = 1, rows: int = 1) -> Price | None:
        """Return the energy of a whole MAC, or None if only its parts are priced.

        Parameters
        ----------
        mac : MacKey
            Its formats.
        tokens, rows : int
            Tokens that share a weight's register, and rows that share an activation's register.

        Examples
        --------
        >>> from bitnet_hw.prices.loading import load_table
        >>> ternary = MacKey("layers", "qkv", "int8", "ternary", "int21")
        >>> load_table("asap7-prelayout").mac_price(ternary).pj
        0.096197
        >>> load_table("7nm").mac_price(ternary) is None
        True
        """

    @abstractmethod
    def sram_price(self, buffer_bytes: int) -> Price:
        """Return the energy per bit read from or written to a buffer.

        A buffer of the size of a listed macro has the macro's price. Between two macros the
        logarithm of the energy is interpolated in the logarithm of the capacity; see
        `bitnet_hw.prices.capacity.between`. A buffer smaller than every macro costs as much per
        bit as the smallest. A larger one consists of banks of the largest macro and of wires
        between them; see `OnChipPrices.between_banks`.

        Parameters
        ----------
        buffer_bytes : int
            Capacity of the buffer.

        Raises
        ------
        MissingPriceError
            If the table lists no SRAM.

        Examples
        --------
        >>> from bitnet_hw.prices.loading import load_table
        >>> table = load_table("7nm")
        >>> table.sram_price(32 * 1024).pj * 64
        8.5
        >>> price = table.sram_price(16 * 1024)  # halfway, in octaves, between 8 and 32 KiB
        >>> round(price.pj * 64, 3), price.kind
        (7.984, 'derived')
        """

    def _keep(self, **look_ups: object) -> None:
        """Store look-ups that follow from the fields.

        They are kept in the instance dictionary, where access is ten times as fast as to pydantic's
        private attributes; pydantic compares, prints and dumps only the fields.
        """
        self.__dict__.update(look_ups)


class OperationTable(EnergyTable):
    """A table of operations and SRAM macros, kind ``operations``.

    Attributes
    ----------
    operations : tuple of OperationEntry
        Arithmetic, pJ per operation.
    sram : tuple of SramEntry
        SRAM macros by capacity, pJ per 64-bit access.
    """

    kind: Literal["operations"]
    operations: Annotated[tuple[OperationEntry, ...], Field(strict=False)]
    sram: Annotated[tuple[SramEntry, ...], Field(strict=False)] = ()
    if TYPE_CHECKING:
        _listed: ListedOperations
        _macros: Macros

    @model_validator(mode="after")
    def _prepare(self) -> Self:
        if not self.operations:
            raise wrong_value("operations", "a table of operations must list at least one")
        check_sources("operations", self.operations, self.sources)
        check_sources("sram", self.sram, self.sources)
        kinds = [(op.operation, op.format) for op in self.operations]
        for i, (operation, form) in enumerate(kinds):
            if (operation, form) in kinds[:i]:
                earlier = f"operations.{kinds.index((operation, form))}"
                message = f"{operation} of {form} is listed twice"
                raise wrong_value(f"operations.{i}", message, earlier)
        sizes = [macro.bytes for macro in self.sram]
        for i, size in enumerate(sizes):
            if size in sizes[:i]:
                message = f"an SRAM macro of {size} bytes is listed twice"
                raise wrong_value(f"sram.{i}", message, f"sram.{sizes.index(size)}")
        sources, on_chip = dict(self.sources), load_on_chip_prices()
        self._keep(
            _listed=ListedOperations.of(self.name, self.operations, sources, load_expansions()),
            _macros=sram_macros(self.name, self.node_nm, self.sram, sources, on_chip),
        )
        return self

    @property
    def macs(self) -> tuple[MacEntry, ...]:
        """Empty: the table prices the parts of a MAC."""
        return ()

    @property
    def base(self) -> str:
        """Empty: the table prices everything itself."""
        return ""

    @property
    def memory_node_nm(self) -> float:
        """Process node of the memories on the chip, nm: the table's own."""
        return self.node_nm

    def price(self, operation: Operation, form: str, accumulator: str = "") -> Price:
        """Return the energy of one operation; see `EnergyTable.price`."""
        return find(self._listed, operation, form, accumulator)

    def mac_price(self, mac: MacKey, tokens: int = 1, rows: int = 1) -> None:
        """Return None: only the parts of a MAC are priced; see `EnergyTable.mac_price`."""

    def sram_price(self, buffer_bytes: int) -> Price:
        """Return the energy per bit of a buffer; see `EnergyTable.sram_price`."""
        return self._macros.price(buffer_bytes)

    def entries(self) -> Iterator[ListedPrice]:
        """Yield every listed operation and SRAM macro."""
        yield from self._listed.entries()
        yield from self._macros.entries()


class MacTable(EnergyTable):
    """A table of whole MACs of simulated processing elements, kind ``macs``.

    Attributes
    ----------
    base : str
        Name or file of the table of operations that prices everything else.
    macs : tuple of MacEntry
        Whole MACs, pJ per MAC.
    provenance : Provenance
        Library and conditions of the simulation.
    """

    kind: Literal["macs"]
    base: Annotated[str, Field(min_length=1)]
    macs: Annotated[tuple[MacEntry, ...], Field(strict=False, min_length=1)]
    provenance: Provenance
    if TYPE_CHECKING:
        _listed: ListedMacs
        _base_table: OperationTable

    @model_validator(mode="after")
    def _prepare(self) -> Self:
        check_sources("macs", self.macs, self.sources)
        kinds = [(m.activation, m.weight, m.accumulator, m.variant) for m in self.macs]
        for i, kind in enumerate(kinds):
            if kind in kinds[:i]:
                message = f"the MAC {', '.join(kind[:3])} is listed twice"
                raise wrong_value(f"macs.{i}", message, f"macs.{kinds.index(kind)}")
        try:
            base_table = load_operation_table(self.base)
        except InputError as error:
            raise wrong_value("base", str(error)) from None
        listed = ListedMacs(self.name, self.macs, dict(self.sources))
        self._keep(_listed=listed, _base_table=base_table)
        return self

    @property
    def memory_node_nm(self) -> float:
        """Process node of the memories on the chip, nm: that of the base table."""
        return self._base_table.node_nm

    def price(self, operation: Operation, form: str, accumulator: str = "") -> Price:
        """Return the energy of one operation in the base table; see `EnergyTable.price`."""
        return self._base_table.price(operation, form, accumulator)

    def mac_price(self, mac: MacKey, tokens: int = 1, rows: int = 1) -> Price | None:
        """Return the energy of a whole MAC; see `EnergyTable.mac_price`."""
        return price_mac(self._listed, mac.activation, mac.weight, mac.accumulator, tokens, rows)

    def sram_price(self, buffer_bytes: int) -> Price:
        """Return the energy per bit of a buffer in the base table; see `EnergyTable.sram_price`."""
        return self._base_table.sram_price(buffer_bytes)

    def entries(self) -> Iterator[ListedPrice]:
        """Yield every MAC of this table; those of the base table are not repeated."""
        yield from self._listed.entries()


def load_operation_table(name: str | Path) -> OperationTable:
    """Return a table of operations by name or alias, or from a file.

    Raises
    ------
    InputError
        If there is none of that name, it is of another kind, or the file is not valid.

    Examples
    --------
    >>> len(load_operation_table("7nm").operations)
    10
    """
    return load(OperationTable, name)
