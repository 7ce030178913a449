"""Records: frozen, strictly typed data that a file describes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn, Self, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from ..errors import RecordError, suggestion
from .document import Document
from .messages import explain

RecordT = TypeVar("RecordT", bound=BaseModel)


class FrozenDict(dict[Any, Any]):
    """A dictionary that cannot be changed, in the fields of records."""

    def _refuse(self, *_values: object, **_named: object) -> NoReturn:
        raise TypeError("a record cannot be changed; its replace() returns a changed copy")

    __setitem__ = __delitem__ = __ior__ = _refuse
    clear = pop = popitem = setdefault = update = _refuse

    def __reduce__(self) -> tuple[type[FrozenDict], tuple[dict[Any, Any]]]:
        """Copy and pickle the dictionary as a whole, without setting its items."""
        return FrozenDict, (dict(self),)


def _frozen(value: object) -> object:
    """Return a value with its dictionaries frozen at every depth."""
    if isinstance(value, dict):
        return FrozenDict((key, _frozen(item)) for key, item in value.items())
    return value


class Record(BaseModel):
    """A frozen, strictly typed record that a file describes; unknown keys are errors.

    A record is validated however it is made: from a file, by its class, by `replace`. A mistake
    raises `RecordError`, an `InputError` that names the record and the key.
    """

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)

    def __init__(self, **data: Any) -> None:  # noqa: ANN401  as pydantic has it
        try:
            super().__init__(**data)
        except ValidationError as error:
            raise explain(error, Document(data, type(self).__name__)) from None

    # With this mark pydantic validates nested records without calling this method for each.
    __init__.__pydantic_base_init__ = True  # type: ignore[attr-defined]

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(
            f"{type(self).__name__} cannot be changed; replace({name}=...) returns a changed copy"
        )

    @classmethod
    def model_validate(cls, obj: Any, **settings: Any) -> Self:  # noqa: ANN401  as pydantic has it
        """Build a record from a mapping.

        Raises
        ------
        RecordError
            Naming the first wrong key.
        """
        try:
            return super().model_validate(obj, **settings)
        except ValidationError as error:
            data = obj if isinstance(obj, dict) else {}
            raise explain(error, Document(data, cls.__name__)) from None

    def replace(self, **changes: object) -> Self:
        """Return a copy with some values changed, validated as a whole.

        Values that were derived from others, not given, are derived again.

        Parameters
        ----------
        **changes : object
            New values by attribute name; for a nested record, a record or a mapping.

        Raises
        ------
        RecordError
            If there is no such attribute, or the changed record is not valid.

        Examples
        --------
        >>> from bitnet_hw.inputs.machine import load_machine
        >>> load_machine("edge").replace(name="mine").name
        'mine'
        >>> load_machine("edge").name
        'edge'
        """
        fields = type(self).model_fields
        given = {name: getattr(self, name) for name in self.model_fields_set}
        origin = " ".join(filter(None, (type(self).__name__, getattr(self, "name", ""))))
        for name in changes:
            if name not in fields:
                reason = f"unknown key {name!r}; {suggestion(name, fields)}"
                raise RecordError(f"{origin}: {reason}", (name,), reason)
        data = {fields[name].alias or name: value for name, value in (given | changes).items()}
        return validate(type(self), Document(data, origin))

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """Return the copy that `replace` makes: pydantic's own method would not validate it."""
        del deep  # every copy is built from scratch
        return self.replace(**(update or {}))

    @model_validator(mode="after")
    def _freeze(self) -> Self:
        for name in type(self).model_fields:
            value = self.__dict__[name]
            if isinstance(value, dict):
                self.__dict__[name] = _frozen(value)
        return self

    @model_validator(mode="before")
    @classmethod
    def _refuse_unknown_keys(cls, data: Any) -> Any:  # noqa: ANN401  any document may come in
        if not isinstance(data, Mapping):
            return data
        known = {f.alias or name for name, f in cls.model_fields.items()}
        for key in data:
            if key not in known:
                hint = suggestion(str(key), known)
                raise PydanticCustomError("unknown_key", "unknown key", {"key": key, "hint": hint})
        return data


def validate(record: type[RecordT], document: Document) -> RecordT:
    """Turn a document into a record.

    Parameters
    ----------
    record : type
        The record to build.
    document : Document
        The content of a file.

    Raises
    ------
    RecordError
        For the first thing that is wrong: an unknown key (with the nearest known one), a missing
        key, a wrong type, a value out of range.
    """
    try:
        found: RecordT = record.__pydantic_validator__.validate_python(document.data)
    except ValidationError as error:
        raise explain(error, document) from None
    return found


def wrong_value(key: str, message: str, earlier: str = "") -> PydanticCustomError:
    """Build the error for a record's own check to raise, whose message names key and line.

    Parameters
    ----------
    key : str
        The wrong key; parts of a path are joined by dots, as in ``operations.0.source``.
    message : str
        What is wrong with it.
    earlier : str
        For an entry that repeats another, the key of that other, whose line is then named.
    """
    context = {"key": key, "message": message, "earlier": earlier}
    return PydanticCustomError("wrong_value", "{message}", context)


def choices(literal: object) -> tuple[str, ...]:
    """Return the strings of a ``Literal`` type, so that they are listed in one place.

    Examples
    --------
    >>> from bitnet_hw.inputs.scenario import Phase
    >>> choices(Phase)
    ('prefill', 'decode', 'request')
    """
    return tuple(str(value) for value in get_args(literal))
