"""Reading runs: their records with types, as tables, and as pages for a browser."""
