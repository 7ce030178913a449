"""The report on energy savings: its estimates, figures, documents and citations."""
