"""Bounds how many series one application may have. Neither asks nor writes."""

from collections.abc import Iterable, Mapping

from conductor_lite.store.metric_families import FAMILIES, Label, Rollup

#: What stands for every name that there is no room for.
OTHER = "other"
#: Longer names are cut.
MAX_LABEL_LENGTH = 256
#: Most names of each kind that one application has: workflows with their queues, steps, executors' versions,
#: versions that are scaled.
ROOM: Mapping[str, int] = {"workflow_name": 200, "step_name": 200, "status": 60, "application_version": 60}


class Admission:
    """Who came first keeps its name; whoever comes when there is no room is counted as `OTHER`.

    Args:
        known: the series that exist.
        room: most names, by the first label of the family.
    """

    def __init__(self, known: Iterable[Label], room: Mapping[str, int] = ROOM) -> None:
        self._room = room
        self._admitted: dict[str, set[tuple[str, str]]] = {kind: set() for kind in room}
        for label in known:
            kind = _kind(label)
            if kind is not None and label.first != OTHER:
                self._admitted[kind].add((label.first, label.second))

    def admit(self, points: Mapping[Label, float]) -> dict[Label, float]:
        """Give every value the name that it may have; under one name they become one."""
        admitted: dict[Label, float] = {}
        # The busiest first: they get what room there is.
        for label, value in sorted(points.items(), key=lambda item: (-item[1], item[0])):
            name = self._name(label)
            before = admitted.get(name, 0.0)
            is_max = label.family in FAMILIES and FAMILIES[label.family].rollup is Rollup.MAX
            # Levels are maxima over time, and sums over names.
            takes_larger = is_max and label.family.endswith("_secs")
            admitted[name] = max(before, value) if takes_larger else before + value
        return admitted

    def _name(self, label: Label) -> Label:
        kind = _kind(label)
        if kind is None:
            return label
        first, second = label.first[:MAX_LABEL_LENGTH], label.second[:MAX_LABEL_LENGTH]
        admitted = self._admitted[kind]
        if (first, second) not in admitted:
            if len(admitted) >= self._room[kind]:
                return Label(label.family, OTHER, OTHER if second else "")
            admitted.add((first, second))
        return Label(label.family, first, second)


def _kind(label: Label) -> str | None:
    family = FAMILIES.get(label.family)
    return family.labels[0] if family is not None and family.labels else None
