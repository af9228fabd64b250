"""The four roles (expert, student, examiner, grader) and the one path of their model calls."""
