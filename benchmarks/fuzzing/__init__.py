"""Inputs that nobody would send on purpose, and the parsers that they are put into."""
