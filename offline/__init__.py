"""What a machine without key, hub or GPU gets: a reader of rules as expert, a nano as student."""
