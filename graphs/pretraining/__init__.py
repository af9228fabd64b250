"""Continued pre-training on task-oriented passages, after TRAIT (arXiv 2406.16694)."""
