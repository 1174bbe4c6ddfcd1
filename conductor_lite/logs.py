"""Where log lines go and in which form. API keys are taken out of every line."""

import logging

from conductor_lite.redact import RedactingFilter


def configure_logging(level: str) -> None:
    """Send log lines of this level and above to standard error.

    Args:
        level: debug, info, warning or error.
    """
    handler = logging.StreamHandler()
    handler.setFormatter(
        logging.Formatter("%(asctime)s %(levelname)-7s %(name)s: %(message)s", "%Y-%m-%d %H:%M:%S")
    )
    handler.addFilter(RedactingFilter())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger("conductor_lite").setLevel(level.upper())
    # uvicorn prints paths, and those of executors hold API keys; our own access log takes its place.
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
