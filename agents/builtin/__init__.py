"""The two built-in models: `reader` plays the expert, examiner and grader, `nano` is the student."""
