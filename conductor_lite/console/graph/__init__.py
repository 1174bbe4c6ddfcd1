"""A workflow as a graph: what stands in it, and where. Pure."""
