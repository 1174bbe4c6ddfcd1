"""Which form of an answer is welcome, as the header ``Accept`` says it."""

JSON = "application/json"
PLAIN = "text/plain"


def quality(accept: str, media_type: str) -> float:
    """How welcome a form is that is named, from 0 to 1 (RFC 9110, section 12.5.1); wildcards name none."""
    for part in accept.split(","):
        kind, *parameters = (piece.strip() for piece in part.split(";"))
        if kind.lower() == media_type:
            values = dict(parameter.partition("=")[::2] for parameter in parameters)
            try:
                return float(values.get("q", 1))
            except ValueError:
                return 0.0
    return 0.0


def prefers_plain_text(accept: str) -> bool:
    """Whether plain text is welcome, and more so than JSON, which is what everyone else gets."""
    return quality(accept, PLAIN) > quality(accept, JSON)
