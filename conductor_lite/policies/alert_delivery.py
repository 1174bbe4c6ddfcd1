"""Empties the outbox: hands each message to an application's handler or to people, again until it arrives.

A message counts as delivered once that is written, so a crash in between delivers it twice and never loses
it.
"""

import asyncio
import logging
from datetime import timedelta

from conductor_lite.clock import Clock
from conductor_lite.errors import (
    ConductorError,
    DeliveryError,
    ExecutorReportedError,
    NoHealthyExecutorError,
    NotFoundError,
    StoreError,
    UnsupportedMessageError,
)
from conductor_lite.fleet.changes import APPLICATIONS, Changes, application_topic
from conductor_lite.fleet.fleet import Fleet
from conductor_lite.notify import MAX_CONCURRENT, Notifier
from conductor_lite.protocol import Alert
from conductor_lite.store.alert_records import HANDLER, RESOLVED, DeliveryRecord
from conductor_lite.store.alerts import Alerts
from conductor_lite.store.applications import Applications
from conductor_lite.store.notification_targets import NotificationTargets

logger = logging.getLogger("conductor_lite.policies")

#: Seconds before the second attempt; twice as long before each further one, up to the longest.
FIRST_WAIT_SECS = 5
LONGEST_WAIT = timedelta(minutes=15)
#: After this long, and so many attempts, a message is given up; its row says so. The attempts are for what
#: has grown old while nobody tried, as the conductor was away or its calendar jumped.
GIVE_UP_AFTER = timedelta(hours=24)
GIVE_UP_ATTEMPTS = 20
#: Seconds that an application's handler may take.
HANDLER_SECS = 10.0
#: Messages taken up at once.
BATCH_SIZE = 50

_WITHHELD = (
    "The application's handler reported an error, which is not shown in private mode; "
    "it stands in the application's own log."
)


class AlertDelivery:
    """Looks into the outbox every few seconds, and as soon as a rule has fired.

    Args:
        fleet: reaches the applications.
        applications: the table of applications.
        alerts: the outbox.
        targets: the addresses of people.
        notifier: reaches people.
        changes: whom to tell.
        clock: the time of day.
    """

    name = "alert delivery"
    interval_secs = 5.0

    def __init__(
        self,
        fleet: Fleet,
        applications: Applications,
        alerts: Alerts,
        targets: NotificationTargets,
        notifier: Notifier,
        changes: Changes,
        clock: Clock,
    ) -> None:
        self._fleet = fleet
        self._applications = applications
        self._alerts = alerts
        self._targets = targets
        self._notifier = notifier
        self._changes = changes
        self._clock = clock
        # Numbers of messages that have arrived, while the database does not take that.
        self._arrived: set[int] = set()

    async def round(self) -> None:
        """Try everything that is due, a few at a time.

        Raises:
            StoreError: the outbox cannot be read or written; what has arrived is not sent again for that.
        """
        while due := await self._alerts.due(self._clock.now(), longest_wait=LONGEST_WAIT, limit=BATCH_SIZE):
            turns = asyncio.Semaphore(MAX_CONCURRENT)
            results = await asyncio.gather(
                *(self._try(delivery, turns) for delivery in due), return_exceptions=True
            )
            for result in results:
                if isinstance(result, BaseException):
                    raise result

    async def _try(self, delivery: DeliveryRecord, turns: asyncio.Semaphore) -> None:
        async with turns:
            try:
                if delivery.id in self._arrived:
                    pass
                elif delivery.channel == HANDLER:
                    await self._to_handler(delivery)
                else:
                    await self._to_people(delivery)
            except StoreError:
                raise
            except (NotFoundError, UnsupportedMessageError) as error:
                await self._give_up(delivery, str(error))
            except ConductorError as error:
                await self._failed(delivery, str(error))
            else:
                self._arrived.add(delivery.id)
                await self._alerts.delivered(delivery, self._clock.now())
                self._arrived.discard(delivery.id)

    async def _to_handler(self, delivery: DeliveryRecord) -> None:
        alert = Alert(name=delivery.name, message=delivery.message, metadata=delivery.delivery_metadata)
        try:
            reply = await self._fleet.ask(delivery.receiver_id, alert, deadline_secs=HANDLER_SECS)
        except (UnsupportedMessageError, NoHealthyExecutorError):
            raise
        except ExecutorReportedError:
            application = await self._applications.by_id(delivery.receiver_id)
            if application is not None and not application.private_mode:
                raise
            raise DeliveryError(_WITHHELD) from None
        if not reply.success:
            raise DeliveryError("The application's handler did not take the alert, and did not say why.")

    async def _to_people(self, delivery: DeliveryRecord) -> None:
        target = await self._targets.by_id(delivery.receiver_id)
        if target is None:
            raise NotFoundError("The notification target was deleted.")
        application = await self._applications.by_id(target.application_id)
        name = application.name if application else "a deleted application"
        await self._notifier.send(
            target.url,
            title=f"{delivery.name}: {name}",
            body="\n".join([delivery.message, "", *_lines(delivery.delivery_metadata)]),
            good_news=delivery.kind == RESOLVED,
        )

    async def _failed(self, delivery: DeliveryRecord, error: str) -> None:
        now = self._clock.now()
        if now - delivery.created_at >= GIVE_UP_AFTER and delivery.attempts + 1 >= GIVE_UP_ATTEMPTS:
            await self._give_up(delivery, error)
            return
        wait_secs = FIRST_WAIT_SECS << min(delivery.attempts, 16)
        wait = min(timedelta(seconds=wait_secs), LONGEST_WAIT)
        await self._alerts.retry(delivery, error, next_attempt_at=now + wait)

    async def _give_up(self, delivery: DeliveryRecord, error: str) -> None:
        logger.error(
            "An alert (%s) to %s was not delivered and is given up: %s",
            delivery.name,
            delivery.receiver_name,
            error,
        )
        await self._alerts.give_up(delivery, error, self._clock.now())
        if delivery.channel == HANDLER:
            self._changes.publish(APPLICATIONS, application_topic(delivery.receiver_id))


def _lines(metadata: dict[str, str]) -> list[str]:
    return [f"{name}: {value}" for name, value in metadata.items()]
