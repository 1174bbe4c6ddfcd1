"""Acting on many workflows from the console: the questions, and the progress of jobs."""
