"""Workflows by how long something took, in classes that each reach twice as far as the one before.

Of one class is known how long before its end a workflow was created, within a factor of two. So what ended
within a stretch of time is found class by class in the order of creation, and little is looked at in vain.
"""

#: The longest durations have this class; it reaches back without end.
LAST_CLASS = 40
#: Ended before it was created, by clocks that disagree; nothing more is known of these.
BACKWARDS = -1


def duration_class(created: int, ended: int | None) -> int | None:
    """The class of what took from one time to another, in milliseconds; None for what has not ended."""
    if ended is None:
        return None
    if ended < created:
        return BACKWARDS
    return min((ended - created).bit_length(), LAST_CLASS)


def created_within(number: int, first: int | None, last: int | None) -> tuple[int | None, int | None]:
    """When workflows of a class were created, both ends within, if they ended between two times."""
    if number == BACKWARDS:
        return None, None
    shortest = (1 << number) >> 1
    longest = (1 << number) - 1
    begin = None if first is None or number == LAST_CLASS else first - longest
    return begin, None if last is None else last - shortest


ALL_CLASSES = range(BACKWARDS, LAST_CLASS + 1)
