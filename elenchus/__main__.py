"""`python -m elenchus`."""

from elenchus.cli import main

main()
