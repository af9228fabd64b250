"""In-domain text out of a general corpus (TRAIT, arXiv 2406.16694)."""
