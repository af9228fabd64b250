"""Adaptation by examination: the main method (arXiv 2602.18137)."""
