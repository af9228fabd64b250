"""Classifiers from a few real messages, after ELTEX (arXiv 2503.15055)."""
