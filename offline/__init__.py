"""Models for a machine without key, hub or GPU: a reader of rules as expert, a nano as student."""
