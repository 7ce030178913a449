"""Hugging Face ``config.json``: its keys, its defaults by model type, in our own fields."""

from __future__ import annotations

from .documents import Document


def is_huggingface(document: Document) -> bool:
    """Return whether a document is a Hugging Face config rather than a model of ours."""
    return "model_type" in document.data


def to_model_fields(document: Document, default_name: str) -> Document:
    """Return a document with the fields of `ModelSpec`."""
    return Document({"name": default_name, **document.data}, document.origin, document.lines)
