"""The conductor's own policies as the API shows them."""

import msgspec

from conductor_lite.api.fields import Int64, Timestamp


class PolicyHealth(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """How something that the conductor does by itself, round by round, is doing."""

    name: str
    #: Seconds from the end of one round to the beginning of the next, give or take a little.
    interval_secs: float
    #: When the last round ended; null before the first.
    last_round_at: Timestamp | None
    #: When the last good round ended; null before the first.
    last_success_at: Timestamp | None
    #: How long the last round took; null before the first.
    last_round_secs: float | None
    #: How long the round that is under way has taken; null between rounds.
    running_secs: float | None
    #: How much later than it should be the next good round is.
    lag_secs: float
    #: Rounds that failed since the last good one.
    failures: Int64
    #: What went wrong in the last round; null when nothing did.
    error: str | None
    #: What people should know besides, such as what could not be done as well as it should.
    notes: list[str]
