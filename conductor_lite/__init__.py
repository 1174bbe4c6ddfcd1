"""conductor-lite: a self-hosted control plane for DBOS durable workflows."""

__version__ = "0.1.0"
