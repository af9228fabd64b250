"""`builtin:reader`: a program that reads rules in plain English; expert, examiner and grader."""
