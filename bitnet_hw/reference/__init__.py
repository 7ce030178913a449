"""The numeric reference that hardware is compared with, and detection of formats by value."""
