"""The sample application's workflows: a small shop that charges, packs and delivers orders, or fails to.

Plain DBOS code as a user would write it. Runs only in the demo's own processes, never in the server's.
"""

import random
import time
from dataclasses import dataclass
from datetime import datetime

from dbos import DBOS, SetWorkflowAttributes, SetWorkflowTimeout, error

PACKING_QUEUE = "packing"
MAIL_QUEUE = "mail"
COURIER_TOPIC = "courier"

_PRODUCTS = ("teapot", "lamp", "notebook", "umbrella", "kettle", "blanket", "clock", "vase")
_COUNTRIES = ("DE", "FR", "NL", "PL", "SE")
_COURIER_PATIENCE_SECS = 120
_DICE = random.SystemRandom()


class CardDeclinedError(Exception):
    """The bank said no; asking again would not help."""


class PaymentTimeoutError(Exception):
    """The payment provider did not answer; asking again often helps."""


class ItemMissingError(Exception):
    """The shelf is empty although the stock list says otherwise."""


@dataclass(frozen=True, kw_only=True)
class Order:
    """What a customer wants."""

    number: int
    customer: str
    items: tuple[str, ...]
    total_cents: int
    country: str


def random_order() -> Order:
    """An order as it might come in from the web page."""
    items = tuple(_DICE.choices(_PRODUCTS, k=_DICE.randint(1, 4)))
    return Order(
        number=_DICE.randint(100_000, 999_999),
        customer=f"customer-{_DICE.randint(1, 400)}",
        items=items,
        total_cents=sum(_DICE.randint(900, 7_900) for _ in items),
        country=_DICE.choice(_COUNTRIES),
    )


def _work(least_secs: float, most_secs: float) -> None:
    """Stand in for a call to another system."""
    time.sleep(_DICE.uniform(least_secs, most_secs))


def _is_timeout(failure: BaseException) -> bool:
    return isinstance(failure, PaymentTimeoutError)


@DBOS.step()
def reserve_stock(order: Order) -> int:
    """Set the order's items aside; the result is how many."""
    _work(0.1, 0.6)
    return len(order.items)


@DBOS.step()
def release_stock(order: Order) -> None:
    """Put the order's items back."""
    _work(0.1, 0.4)


@DBOS.step(retries_allowed=True, max_attempts=5, interval_seconds=0.5, should_retry=_is_timeout)
def charge_card(order: Order) -> str:
    """Charge the customer; the result is the payment's reference.

    Raises:
        CardDeclinedError: for good.
        PaymentTimeoutError: try again.
    """
    _work(0.3, 1.5)
    luck = _DICE.random()
    if luck < 0.06:
        raise CardDeclinedError(f"Card of {order.customer} declined for {order.total_cents / 100:.2f} EUR")
    if luck < 0.25:
        raise PaymentTimeoutError("Payment provider did not answer within 1.5 s")
    return f"pay_{order.number}"


@DBOS.step()
def refund_card(payment: str) -> None:
    """Give the money back."""
    _work(0.2, 0.8)


@DBOS.step()
def pick_item(item: str) -> str:
    """Fetch one item from the shelf.

    Raises:
        ItemMissingError: it is not there.
    """
    _work(0.4, 2.0)
    if _DICE.random() < 0.015:
        raise ItemMissingError(f"No {item} left on the shelf")
    return item


@DBOS.step()
def print_label(order: Order) -> str:
    """Print the parcel's label; the result is its tracking code."""
    _work(0.3, 1.0)
    return f"{order.country}{order.number}"


@DBOS.workflow()
def pack_parcel(order: Order) -> str:
    """Pick every item and print the label; the result is the tracking code. Runs on the packing queue."""
    for position, item in enumerate(order.items, start=1):
        pick_item(item)
        DBOS.set_event("picked", f"{position} of {len(order.items)}")
    return print_label(order)


@DBOS.step()
def scan_parcel(tracking_code: str, place: str) -> str:
    """Note where a parcel was seen."""
    _work(0.1, 0.3)
    return f"{tracking_code} seen at {place}"


@DBOS.workflow()
def deliver_parcel(order_workflow_id: str, tracking_code: str, travel_secs: float) -> None:
    """Carry a parcel for ``travel_secs`` seconds, then notify the order that waits for it."""
    for place in ("depot", "van"):
        scan_parcel(tracking_code, place)
        DBOS.sleep(travel_secs / 2)
    DBOS.send(order_workflow_id, "delivered", topic=COURIER_TOPIC)


@DBOS.step()
def send_mail(customer: str, subject: str) -> None:
    """Send one mail."""
    _work(0.1, 0.5)


@DBOS.workflow()
def notify_customer(customer: str, subject: str) -> None:
    """Mail a customer. Runs on the mail queue, which is limited in rate."""
    send_mail(customer, subject)


def _progress(status: str) -> None:
    """Tell whoever watches the order: the event holds the latest, the stream all."""
    DBOS.set_event("status", status)
    DBOS.write_stream("progress", status)


def _own_id() -> str:
    if DBOS.workflow_id is None:
        raise RuntimeError("Called outside of a workflow.")
    return DBOS.workflow_id


@DBOS.step()
def choose_courier(order: Order) -> float:
    """The seconds that the chosen courier will take."""
    return round(_DICE.uniform(4, 30), 1)


@DBOS.workflow()
def fulfil_order(order: Order) -> str:
    """Take one order from stock to doorstep; the result is the tracking code.

    Raises:
        CardDeclinedError, PaymentTimeoutError: it could not be paid; the stock is free again.
        ItemMissingError: it could not be packed; the money went back.
    """
    reserve_stock(order)
    _progress("reserved")
    try:
        payment = charge_card(order)
    except Exception:
        release_stock(order)
        _progress("payment failed")
        DBOS.close_stream("progress")
        raise
    _progress("paid")
    try:
        tracking_code = DBOS.enqueue_workflow(PACKING_QUEUE, pack_parcel, order).get_result()
    except ItemMissingError:
        refund_card(payment)
        release_stock(order)
        _progress("refunded")
        DBOS.close_stream("progress")
        raise
    _progress("packed")
    DBOS.start_workflow(deliver_parcel, _own_id(), tracking_code, choose_courier(order))
    word = DBOS.recv(COURIER_TOPIC, timeout_seconds=_COURIER_PATIENCE_SECS)
    _progress(word or "lost on the way")
    DBOS.close_stream("progress")
    DBOS.enqueue_workflow(MAIL_QUEUE, notify_customer, order.customer, f"Your order {order.number}: {word}")
    return tracking_code


@DBOS.step()
def count_shelf(product: str) -> int:
    """How many of a product are left."""
    _work(0.1, 0.4)
    return _DICE.randint(0, 60)


@DBOS.step()
def ask_supplier(product: str) -> float:
    """The seconds until the supplier answers."""
    _work(0.1, 0.3)
    return round(_DICE.uniform(3, 26), 1)


@DBOS.workflow()
def restock(product: str) -> str:
    """Wait for the supplier's offer and take it."""
    DBOS.sleep(ask_supplier(product))
    return f"{product} ordered"


@DBOS.workflow()
def take_stock(scheduled_at: datetime, context: object) -> None:
    """Count the shelves and reorder what runs out. A supplier who is too slow is not waited for."""
    for product in _PRODUCTS:
        if count_shelf(product) >= 12:
            continue
        with SetWorkflowTimeout(20), SetWorkflowAttributes({"product": product}):
            handle = DBOS.start_workflow(restock, product)
        try:
            handle.get_result()
        except error.DBOSAwaitedWorkflowCancelledError:
            DBOS.logger.warning(f"The supplier of {product} did not answer in time")


@DBOS.workflow()
def report_sales(scheduled_at: datetime, context: object) -> None:
    """Mail the day's figures to the owner."""
    DBOS.enqueue_workflow(MAIL_QUEUE, notify_customer, "owner", f"Sales up to {scheduled_at:%Y-%m-%d}")


def register() -> None:
    """Store queues and schedules in the system database, where the console finds them; after the launch."""
    DBOS.register_queue(PACKING_QUEUE, worker_concurrency=3, global_concurrency=5)
    DBOS.register_queue(MAIL_QUEUE, limiter={"limit": 20, "period": 10.0})
    DBOS.apply_schedules(
        [
            {"schedule_name": "stock-taking", "workflow_fn": take_stock, "schedule": "*/30 * * * * *"},
            {"schedule_name": "daily-sales", "workflow_fn": report_sales, "schedule": "0 6 * * *"},
        ]
    )
