"""Who is asking, and what they may do: API keys, actors and permissions."""
