"""`builtin:nano`: a student of two million parameters, and the codes that it was trained on."""
