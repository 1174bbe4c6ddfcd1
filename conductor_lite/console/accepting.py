"""What a client takes: JSON or a page, compressed or not, as its headers say (RFC 9110, 12.5). Pure."""

_HTML, _JSON = "text/html", "application/json"


def prefers_json(accept: str) -> bool:
    """Whether an Accept header wants JSON rather than HTML (RFC 9110, section 12.5.1)."""
    weights = _weights(accept)
    return weights.get(_JSON, 0.0) > weights.get(_HTML, 0.0)


def takes_gzip(accept_encoding: str) -> bool:
    """Whether an Accept-Encoding header allows gzip, and does not rather have it plain (section 12.5.3)."""
    weights = _weights(accept_encoding)
    others = weights.get("*", 0.0)
    gzip = weights.get("gzip", weights.get("x-gzip", others))
    return gzip > 0 and gzip >= weights.get("identity", 0.0)


def _weights(header: str) -> dict[str, float]:
    """What is listed, each with the most that it is worth; what says nothing of that is worth 1."""
    weights: dict[str, float] = {}
    for part in header.split(","):
        name, *parameters = (piece.strip().lower() for piece in part.split(";"))
        weights[name] = max(weights.get(name, 0.0), _weight(parameters))
    return weights


def _weight(parameters: list[str]) -> float:
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                return float(value)
            except ValueError:
                return 0.0
    return 1.0
