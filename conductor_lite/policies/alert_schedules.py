"""Which schedules are overdue: cron arithmetic in their time zones. No clock and no I/O."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from conductor_lite.cron import next_run
from conductor_lite.policies.alert_evaluation import MissedRun
from conductor_lite.protocol import ScheduleRecord

_ACTIVE = "ACTIVE"
#: How far a shift of the clocks may be away from a due time for SDKs to disagree about it.
_AROUND_A_SHIFT = timedelta(hours=3)
#: By how much they may disagree then.
_SHIFT = timedelta(hours=1)

_INSTANT = timedelta(seconds=1)
_NOTHING: Mapping[str, str] = {}

#: What makes a schedule another one, although its name is the same.
ScheduleKey = tuple[str, str, str | None]


def key(schedule: ScheduleRecord) -> ScheduleKey:
    """Identifies a schedule together with its times."""
    return schedule.schedule_name, schedule.cron, schedule.cron_timezone


class ScheduleWatch:
    """Remembers since when each schedule of an application is known to be active.

    What fell due before that, while it was paused or the conductor away, is nobody's miss.
    """

    def __init__(self) -> None:
        self._active_since: dict[ScheduleKey, datetime] = {}
        # When it was looked for the first time; None before that.
        self._began: datetime | None = None

    def look(
        self,
        schedules: Sequence[ScheduleRecord],
        now: datetime,
        told: Mapping[str, str] = _NOTHING,
    ) -> Mapping[ScheduleKey, tuple[ScheduleRecord, datetime]]:
        """Take over what is there now.

        Args:
            schedules: all of the application.
            now: the time of day.
            told: metadata of the alert that told of a miss and is not over. What was missed before the
                conductor was started is not forgotten by that.

        Returns:
            The active schedules, each with the time after which its runs are counted.
        """
        active = {key(schedule): schedule for schedule in schedules if schedule.status in (_ACTIVE, None)}
        self._active_since = {
            # A time yet to come: the calendar was set back.
            name: min(self._active_since.get(name, now), now)
            for name in active
        }
        self._began = self._began or now
        missed, due_at = told.get("missed_schedules", "").split(","), _moment(told.get("due_at"))
        since = dict(self._active_since)
        for name, schedule in active.items():
            if schedule.schedule_name in missed and due_at is not None and since[name] == self._began:
                since[name] = min(since[name], due_at - _INSTANT)
        return {name: (schedule, since[name]) for name, schedule in active.items()}


def missed_run(
    schedule: ScheduleRecord, active_since: datetime, grace_secs: int, now: datetime
) -> MissedRun | None:
    """The earliest run that is overdue, if any.

    Args:
        schedule: an active schedule.
        active_since: runs due up to then do not count.
        grace_secs: how late a run may be.
        now: the time of day.
    """
    last = _moment(schedule.last_fired_at)
    after = active_since if last is None else max(last, active_since)
    due_at = next_run(schedule.cron, schedule.cron_timezone, after)
    if due_at is None:
        return None
    grace = timedelta(seconds=grace_secs)
    if _near_shift(due_at):
        grace += _SHIFT
    return MissedRun(schedule_name=schedule.schedule_name, due_at=due_at) if now > due_at + grace else None


def _moment(text: str | None) -> datetime | None:
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _near_shift(moment: datetime) -> bool:
    # Through UTC: sums of times in one zone are those on its wall clocks.
    instant, zone = moment.astimezone(UTC), moment.tzinfo
    offsets = {
        (instant + distance).astimezone(zone).utcoffset()
        for distance in (-_AROUND_A_SHIFT, timedelta(), _AROUND_A_SHIFT)
    }
    return len(offsets) > 1
