"""The parts of ``scripts/bench``, which measures conductor-lite beside a bare socket server."""
