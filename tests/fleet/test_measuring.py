"""What is asked of executors, and what becomes of names when there are too many."""

from datetime import datetime

from conductor_lite.fleet.measuring import Window
from conductor_lite.fleet.metric_labels import MAX_LABEL_LENGTH, OTHER, Admission
from conductor_lite.store.metric_families import Label


def test_a_window_ends_with_its_last_millisecond_also_for_those_who_reckon_in_floating_point() -> None:
    for end in range(1_700_000_040, 1_700_000_040 + 60 * 2_000, 60):
        window = Window(end - 60, end)
        assert int(datetime.fromisoformat(window.last).timestamp() * 1000) == end * 1000 - 1
        assert int(datetime.fromisoformat(window.first).timestamp() * 1000) == (end - 60) * 1000
        assert window.after == Window(end, end + 60).first


def test_names_without_room_become_one_by_the_nature_of_their_family() -> None:
    admission = Admission([Label("workflow_started", "old", "q")], {"workflow_name": 2, "step_name": 1})
    admitted = admission.admit(
        {
            Label("workflow_enqueued", "big", "q"): 9.0,
            Label("workflow_enqueued", "a", "q"): 2.0,
            Label("workflow_enqueued", "b", "q"): 3.0,
            Label("workflow_enqueued_age_secs", "a", "q"): 2.0,
            Label("workflow_enqueued_age_secs", "b", "q"): 3.0,
            Label("workflow_started", "old", "q"): 1.0,
            Label("workflow_pending", "c"): 1.0,
            Label("recoveries"): 5.0,
        }
    )
    assert admitted == {
        Label("workflow_enqueued", "big", "q"): 9.0,
        Label("workflow_enqueued", OTHER, OTHER): 5.0,
        Label("workflow_enqueued_age_secs", OTHER, OTHER): 3.0,
        Label("workflow_started", "old", "q"): 1.0,
        Label("workflow_pending", OTHER): 1.0,
        Label("recoveries"): 5.0,
    }


def test_long_names_are_cut() -> None:
    (label,) = Admission(()).admit({Label("step_failed", "x" * 10_000): 1.0})
    assert len(label.first) == MAX_LABEL_LENGTH
