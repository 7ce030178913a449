"""Records: frozen, strictly typed data that a file describes."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, model_validator
from pydantic_core import PydanticCustomError


class Record(BaseModel):
    """A frozen, strictly typed record that a file describes; unknown keys are errors."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _refuse_unknown_keys(cls, data: Any) -> Any:  # noqa: ANN401  any document may come in
        if not isinstance(data, Mapping):
            return data
        known = {f.alias or name for name, f in cls.model_fields.items()}
        for key in data:
            if key not in known:
                near = difflib.get_close_matches(str(key), known, n=1, cutoff=0.6)
                hint = (
                    f"did you mean {near[0]!r}?" if near else f"known: {', '.join(sorted(known))}"
                )
                raise PydanticCustomError(
                    "unknown_key", "unknown key {key}; {hint}", {"key": repr(key), "hint": hint}
                )
        return data


def wrong_value(key: str, message: str) -> PydanticCustomError:
    """Build what a record's own check raises, so that the message names the key and its line."""
    return PydanticCustomError("wrong_value", "{message}", {"key": key, "message": message})


RecordT = TypeVar("RecordT", bound=BaseModel)


def choices(literal: object) -> tuple[str, ...]:
    """Return the strings of a ``Literal`` type, which is where such a list is written once."""
    return tuple(str(value) for value in get_args(literal))
