"""The live executors: their sockets, who is here, asking them, who has died and what becomes of its work."""
