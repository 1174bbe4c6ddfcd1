"""Numbers with their nouns and units, as sentences for people have them. Pure; knows no HTML."""


def count(number: int) -> str:
    """A whole number with thousands set apart: ``12,345``."""
    return f"{number:,}"


def noun(number: int, one: str, many: str | None = None) -> str:
    """The noun that goes with a number: ``executor`` for 1, ``executors`` for any other."""
    return one if number == 1 else many or one + "s"


def plural(number: int, one: str, many: str | None = None) -> str:
    """A number with its noun: ``1 executor``, ``12 executors``."""
    return f"{count(number)} {noun(number, one, many)}"


def period(secs: int) -> str:
    """A span that somebody chose, told exactly: ``10 min``, ``1 d``, ``90 min``, ``75 s``."""
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if secs and secs % size == 0:
            return f"{count(secs // size)} {unit}"
    return f"{count(secs)} s"
