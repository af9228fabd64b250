"""`builtin:nano`: a student of two million parameters."""
