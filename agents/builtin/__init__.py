"""The built-in models: `reader` plays expert, examiner and grader; `nano` is the student."""
