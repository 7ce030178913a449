"""What a user hands in: formats, codecs, schemes, models, scenarios and machines."""
