"""Elenchus: adapt a small model to a specialised domain by questioning it."""

__version__ = "0.1.0"
