"""Programs that print the figures of the README. Each takes `--quick` and `--json`."""
