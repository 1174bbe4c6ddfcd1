"""How long chaos lasts, and from which seed it comes."""

import os
import random

from support.scene import CHAOS_VARIABLE

SEED_VARIABLE = "CONDUCTOR_CHAOS_SEED"
_SHORT_SECS = 12.0


def chaos_secs() -> float:
    """Seconds of mischief that each test may make."""
    return float(os.environ.get(CHAOS_VARIABLE, _SHORT_SECS))


def seed() -> int:
    """A new seed, or the one asked for; pytest shows it when the test fails."""
    number = int(os.environ.get(SEED_VARIABLE, random.SystemRandom().randrange(1_000_000)))
    print(f"Repeat with {SEED_VARIABLE}={number}")
    return number
