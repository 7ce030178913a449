"""Inputs that a user describes: formats, codecs, schemes, models, scenarios and machines."""
