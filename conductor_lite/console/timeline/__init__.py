"""A workflow in time: what its records say as spans, and the same for the script that draws it. Pure."""
