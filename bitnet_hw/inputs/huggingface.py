"""Hugging Face ``config.json`` files, translated into the fields of `ModelSpec`.

``catalogue/huggingface.yaml`` defines the keys that all model types share, and the files of the
folder ``catalogue/huggingface`` those of each type, with their defaults. A key that is
neither understood nor known to be harmless is an error: silently ignoring one that changes a shape
would make every later number wrong.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from pydantic import Field

from ..errors import InputError, nearest
from ..files.reading import Document, KeyPath, read, shorten, validate
from ..files.records import Record
from . import catalogue

Json = Any  # whatever a JSON value may be

#: Keys that tell a Hugging Face config from a model file of our own.
_MARKS = ("model_type", "architectures", "transformers_version", "torch_dtype")

#: Keys that hold the parameters of RoPE, in the older and in the newer form.
_ROPE = ("rope_scaling", "rope_parameters")

#: Fields that are derived from others when the key is null, as in transformers.
_DERIVED = ("num_key_value_heads", "head_dim", "embedding_size", "activation", "layer_types")

#: Fields that are true when the key holds a number.
_PRESENCE = ("attention_softcap", "lm_head_softcap", "sub_norms")

_LAYER_TYPES = {"full_attention": False, "sliding_attention": True}


class ModelType(Record):
    """Meaning of the keys of one ``model_type``; the YAML file explains each part."""

    like: str = ""
    ffn_factor: int = 0
    text_in: str = ""
    text_type: str = ""
    keys: dict[str, str | list[str]] = Field(default_factory=dict)
    defaults: dict[str, Json] = Field(default_factory=dict)
    traits: dict[str, Json] = Field(default_factory=dict)
    only: dict[str, list[Json]] = Field(default_factory=dict)
    harmless: list[str] = Field(default_factory=list)

    def fields_of(self, key: str) -> list[str]:
        """Return the fields that a key sets."""
        fields = self.keys[key]
        return [fields] if isinstance(fields, str) else fields

    def known(self) -> set[str]:
        """Return every key that a config of this type may have."""
        rope = _ROPE if self.traits.get("positions") == "rope" else ()
        text = [self.text_in] if self.text_in else []
        return {*self.keys, *self.only, *self.harmless, *rope, *text}

    def extended(self, other: ModelType) -> ModelType:
        """Return this type with the additions and changes of another."""
        changed = {*other.keys, *other.only, *other.harmless}
        keys = {key: fields for key, fields in self.keys.items() if key not in changed}
        only = {key: values for key, values in self.only.items() if key not in changed}
        harmless = [key for key in self.harmless if key not in changed]
        return ModelType(
            ffn_factor=other.ffn_factor,
            text_in=other.text_in,
            text_type=other.text_type,
            keys=keys | other.keys,
            defaults=other.defaults,
            traits=self.traits | other.traits,
            only=only | other.only,
            harmless=harmless + other.harmless,
        )


class Family(Record):
    """Related model types: content of a file of ``catalogue/huggingface``."""

    types: dict[str, ModelType]


class Dictionary(Record):
    """Content of ``catalogue/huggingface.yaml``, with the model types of all families."""

    source: str
    activations: dict[str, str]
    rope: list[str]
    unsupported_keys: dict[str, str]
    unsupported_types: dict[str, str]
    common: ModelType
    types: dict[str, ModelType] = Field(default_factory=dict)

    def model_type(self, name: str) -> ModelType:
        """Return a model type, merged with the types that it builds on."""
        own = self.types[name]
        return (self.model_type(own.like) if own.like else self.common).extended(own)


@cache
def dictionary() -> Dictionary:
    """Return the meaning of the keys and all model types, read once per process."""
    types: dict[str, ModelType] = {}
    for path in sorted(catalogue.shared_file("huggingface").glob("*.yaml")):
        types |= validate(Family, read(path)).types
    shared = validate(Dictionary, read(catalogue.shared_file("huggingface.yaml")))
    return shared.replace(types=types)


def is_huggingface(document: Document) -> bool:
    """Return whether a document is a Hugging Face config rather than a model file of our own."""
    return any(mark in document.data for mark in _MARKS)


def to_model_fields(document: Document, default_name: str) -> Document:
    """Translate a Hugging Face config into the fields of `ModelSpec`.

    Parameters
    ----------
    document : Document
        A Hugging Face config.
    default_name : str
        Name of the model, which a config does not hold.

    Returns
    -------
    Document
        Our fields, with the lines and the names of the keys that they came from, so that later
        errors name the keys of the file.

    Raises
    ------
    InputError
        If the model type, a key, or a key's value is not understood.
    """
    name = _model_type(document)
    model_type = dictionary().model_type(name)
    reading = _Reading(document, default_name)
    if model_type.text_in:
        text = document.data.get(model_type.text_in)
        reading.read_keys(document.data, (), model_type)
        if text is not None and not isinstance(text, Mapping):
            raise document.error((model_type.text_in,), f"must be a mapping, found {shorten(text)}")
        inner = dictionary().model_type(model_type.text_type)
        reading.read_keys(text or {}, (model_type.text_in,), inner)
        model_type = inner
    else:
        reading.read_keys(document.data, (), model_type)
    reading.fill(model_type)
    return reading.result()


def _model_type(document: Document) -> str:
    name = document.data.get("model_type")
    types = dictionary().types
    if isinstance(name, str) and name in types:
        return name
    if name is None:
        message = f"key 'model_type' is missing; known types: {', '.join(sorted(types))}"
        raise document.error((), message)
    for part, reason in dictionary().unsupported_types.items():
        if part in str(name):
            fields = [key for key in document.data if _unsupported(key)]
            at = fields[0] if fields else "model_type"
            raise document.error((at,), f"{reason} (model_type {shorten(name)})")
    near = nearest(str(name), types)
    hint = f"did you mean {near!r}? " if near else ""
    known = ", ".join(sorted(types))
    raise document.error(("model_type",), f"unknown type {shorten(name)}; {hint}known: {known}")


def _unsupported(key: str) -> str | None:
    reasons = dictionary().unsupported_keys
    return next((reason for part, reason in reasons.items() if part in key.lower()), None)


class _Reading:
    """The fields gathered so far from one config, each with the key that set it."""

    def __init__(self, document: Document, name: str) -> None:
        self.document = document
        self.fields: dict[str, Json] = {"name": name}
        self.origins: dict[str, KeyPath] = {}
        self.defaulted: dict[str, str] = {}

    def read_keys(self, data: Mapping[str, Json], at: KeyPath, model_type: ModelType) -> None:
        """Read every key of the mapping at a path of the document."""
        known = model_type.known()
        for key, value in data.items():
            path = (*at, str(key))
            if key not in known:
                self._refuse(path, value, known)
            elif key in _ROPE:
                self._read_rope(path, value)
            elif key in model_type.only:
                allowed = model_type.only[key]
                if not any(value == each and type(value) is type(each) for each in allowed):
                    wanted = " or ".join("null" if v is None else repr(v) for v in allowed)
                    raise self._error(
                        path, f"{shorten(value)} cannot be modelled; only {wanted} can"
                    )
            elif key in model_type.keys:
                for field in model_type.fields_of(key):
                    self._set(field, path, value)

    def _refuse(self, path: KeyPath, value: Json, known: Iterable[str]) -> None:
        key = str(path[-1])
        reason = _unsupported(key)
        if reason is not None:
            if not value:  # zero experts, or none
                return
            raise self._error(path, reason)
        near = nearest(key, known)
        remove = "it may change the shapes; if it does not, remove it"
        hint = f"did you mean {near!r}?" if near else remove
        raise self._error(path, f"unknown key for this model_type; {hint}")

    def _read_rope(self, path: KeyPath, value: Json) -> None:
        """Read one set of RoPE parameters, or one per layer type (gemma3)."""
        if value is None:
            return
        if not isinstance(value, Mapping):
            raise self._error(path, f"must be a mapping, found {shorten(value)}")
        for key, inner in value.items():
            if key in _LAYER_TYPES:
                self._read_rope((*path, key), inner)
            elif key == "partial_rotary_factor":
                if inner is not None:
                    self._set("rotary_fraction", (*path, key), inner)
            elif key not in dictionary().rope:
                self._refuse((*path, key), inner, [*dictionary().rope, "partial_rotary_factor"])

    def _set(self, field: str, path: KeyPath, value: Json) -> None:
        if value is None and field in _DERIVED:
            return
        value = self._converted(field, path, value)
        # Some types have two keys for one value (gemma's hidden_act and hidden_activation).
        if field in self.fields and self.fields[field] != value:
            other = ".".join(map(str, self.origins[field]))
            raise self._error(
                path, f"{shorten(value)} contradicts {self.fields[field]!r} of {other}"
            )
        self.fields[field] = value
        self.origins[field] = path

    def _converted(self, field: str, path: KeyPath, value: Json) -> Json:
        if field in _PRESENCE and not isinstance(value, bool):
            return value is not None
        if field == "rotary_fraction" and isinstance(value, int) and not isinstance(value, bool):
            return float(value)
        if field == "activation":
            names = dictionary().activations
            if not isinstance(value, str) or value not in names:
                known = ", ".join(names)
                raise self._error(path, f"unknown activation {shorten(value)}; known: {known}")
            return names[value]
        return value

    def fill(self, model_type: ModelType) -> None:
        """Add the type's defaults and traits, and the values that follow from them."""
        for key, value in model_type.defaults.items():
            for field in model_type.fields_of(key):
                if field not in self.fields and not (value is None and field in _DERIVED):
                    self.fields[field] = self._converted(field, (key,), value)
                    self.origins[field] = (key,)
                    self.defaulted[field] = key
        for field, value in model_type.traits.items():
            self.fields.setdefault(field, value)
        hidden = self.fields.get("hidden_size")
        no_width = self.fields.get("intermediate_size") is None
        if model_type.ffn_factor and no_width and type(hidden) is int:
            self.fields["intermediate_size"] = model_type.ffn_factor * hidden
        self._count_sliding_layers()

    def _count_sliding_layers(self) -> None:
        """Turn a window and the rule for which layers have it into a number of layers."""
        used = self._take("use_sliding_window", default=True)
        if not isinstance(used, bool):
            path = self.origins["use_sliding_window"]
            raise self._error(path, f"must be true or false, found {shorten(used)}")
        first = self._take_count("max_window_layers", least=0)
        every = self._take_count("sliding_window_pattern", least=1)
        layers = self.fields.get("num_hidden_layers")
        kinds = self._take("layer_types", default=None)
        if kinds is not None:
            self._check_layer_types(kinds, layers)
        if self.fields.get("sliding_window") is None or not used or type(layers) is not int:
            sliding = 0
        elif kinds is not None:
            sliding = sum(_LAYER_TYPES[kind] for kind in kinds)
        elif every:
            sliding = layers - layers // every
        else:
            sliding = layers - min(first, layers)
        if sliding > 0:
            self.fields["sliding_window_layers"] = sliding
        else:
            self.fields.pop("sliding_window", None)

    def _take(self, field: str, *, default: Json) -> Json:
        return self.fields.pop(field, default)

    def _take_count(self, field: str, *, least: int) -> int:
        number = self._take(field, default=0)
        if field in self.origins and (type(number) is not int or number < least):
            message = f"must be a whole number of layers, at least {least}, found {shorten(number)}"
            raise self._error(self.origins[field], message)
        return int(number)

    def _check_layer_types(self, kinds: Json, layers: Json) -> None:
        path = self.origins["layer_types"]
        if not isinstance(kinds, list):
            raise self._error(path, f"must be a list, found {shorten(kinds)}")
        for i, kind in enumerate(kinds):
            if not isinstance(kind, str) or kind not in _LAYER_TYPES:
                known = " or ".join(_LAYER_TYPES)
                raise self._error(
                    (*path, i), f"{shorten(kind)} cannot be modelled; only {known} can"
                )
        if len(kinds) != layers:
            raise self._error(path, f"names {len(kinds)} layers, but num_hidden_layers is {layers}")

    def _error(self, path: KeyPath, message: str) -> InputError:
        return self.document.error(path, message)

    def result(self) -> Document:
        """Return the fields as a document that remembers where each came from."""
        lines = self.document.lines
        return Document(
            self.fields,
            self.document.origin,
            {(field,): lines[path] for field, path in self.origins.items() if path in lines},
            {field: ".".join(map(str, path)) for field, path in self.origins.items()}
            | {field: f"{key} (default)" for field, key in self.defaulted.items()},
        )
