"""The sample application behind ``serve --demo``; the server imports its ``fleet`` and nothing else."""
