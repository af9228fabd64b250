"""`python -m elenchus`."""

from elenchus.cli.main import main

main()
