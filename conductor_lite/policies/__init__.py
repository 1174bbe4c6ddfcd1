"""What the conductor does by itself on a clock: one module per policy, each with a loop that never ends."""
