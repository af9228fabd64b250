"""`builtin:reader`: a program that reads rules in plain English, as expert, examiner and grader."""
