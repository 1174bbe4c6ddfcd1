"""The page of one workflow: its head, its views, and what can be done to it."""
