"""Classes of durations never hide a workflow, and keep the look for them short."""

from hypothesis import given
from hypothesis import strategies as st

from conductor_lite.store.snapshot_classes import ALL_CLASSES, created_within, duration_class

TIMES = st.integers(0, 2_000_000_000_000)
TOOK = st.integers(-1_000, 100) | st.integers(-(10**12), 2 * 10**12)


@given(created=TIMES, took=TOOK, before=st.integers(0, 10**12), after=st.integers(0, 10**12))
def test_what_ended_within_a_stretch_was_created_within_that_of_its_class(
    created: int, took: int, before: int, after: int
) -> None:
    ended = created + took
    number = duration_class(created, ended)
    assert number in ALL_CLASSES
    for first, last in ((ended - before, ended + after), (ended, None), (None, ended), (ended, ended)):
        begin, end = created_within(number, first, last)
        assert begin is None or begin <= created
        assert end is None or created <= end


@given(took=st.integers(1, 2**39 - 1), at=TIMES)
def test_the_look_goes_back_less_than_twice_as_far_as_need_be(took: int, at: int) -> None:
    number = duration_class(at - took, at)
    assert number is not None
    begin, end = created_within(number, at, at)
    assert begin is not None
    assert end is not None
    assert at - begin < 2 * took
    assert 2 * (at - end) > took


def test_what_has_not_ended_has_no_class() -> None:
    assert duration_class(5, None) is None
