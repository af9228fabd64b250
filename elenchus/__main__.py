"""`python -m elenchus`."""

from elenchus.cli.main import program

program()
