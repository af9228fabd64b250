"""Measures models on labelled tests of the user's own, and finds what of a test was seen before."""
