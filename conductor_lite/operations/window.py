"""Which part of a listing is asked for, where it is read from our own database."""

from conductor_lite.errors import FieldError, InvalidError

MAX_ENTRIES = 1_000


def require_sane_window(limit: int, offset: int) -> None:
    """Check both ends.

    Raises:
        InvalidError: one is out of its bounds.
    """
    bounds = (("limit", limit, 1, MAX_ENTRIES), ("offset", offset, 0, 2**63 - 1))
    errors = [
        FieldError(
            location=f"query.{name}", message=f"expected a whole number from {low} to {high}", value=value
        )
        for name, value, low, high in bounds
        if not low <= value <= high
    ]
    if errors:
        raise InvalidError("The listing cannot begin or end there.", tuple(errors))
