"""What a channel is, and how the outbox is emptied through it."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Protocol

from sm_core.domain import Record
from sm_core.errors import DeliveryError, DeliveryRefusedError
from tasks.adapters.locks import locked
from tasks.adapters.notify.outbox import Batch, Outbox

LEASE = dt.timedelta(minutes=10)
FIRST_PAUSE, LONGEST_PAUSE = dt.timedelta(minutes=5), dt.timedelta(hours=6)
MOST_REFUSALS = 5
_logger = logging.getLogger(__name__)


class Channel(Protocol):
    """A way to recipients.

    Attributes
    ----------
    name
        Names the channel in the ledger; never changed, lest messages go out again.
    most
        How many messages go together.
    resends
        Whether what may have been received already is sent again, under the same name.
    """

    @property
    def name(self) -> str: ...

    @property
    def most(self) -> int: ...

    @property
    def resends(self) -> bool: ...

    def deliver(self, batch: Batch, doubt: Callable[[], None]) -> str:
        """Hand over; returns what the receiver said.

        Parameters
        ----------
        doubt
            To be called right before the step after which the receiver may have it.

        Raises
        ------
        DeliveryError          SM705, not now. Its context says ``received="unknown"`` if that is so.
        DeliveryRefusedError   SM706, the receiver does not want it.
        """
        ...


class ChannelReport(Record):
    """What went through a channel, what waits, and the last trouble."""

    channel: str
    sent: int
    waiting: int
    error_code: str | None = None
    error: str | None = None


def deliver(
    outbox: Outbox, channels: Iterable[Channel], region_id: str, owner: str, now: Callable[[], dt.datetime], lock: Path
) -> tuple[ChannelReport, ...]:
    """Send what waits in the outbox; trouble with one channel is told and does not hinder the others.

    Parameters
    ----------
    owner
        Names this installation: what it had claimed when it died is its own again.
    lock
        Held meanwhile, so that one process of this installation sends at a time.
    """
    lock.parent.mkdir(parents=True, exist_ok=True)
    with locked(lock):
        return tuple(_empty(outbox, channel, region_id, owner, now) for channel in channels)


def _empty(
    outbox: Outbox, channel: Channel, region_id: str, owner: str, now: Callable[[], dt.datetime]
) -> ChannelReport:
    if not outbox.waiting(channel.name, region_id):
        return ChannelReport(channel=channel.name, sent=0, waiting=0)
    sent = 0
    trouble: DeliveryError | DeliveryRefusedError | None = None
    while (batch := outbox.claim(channel.name, region_id, owner, now(), LEASE, channel.most)) is not None:
        try:
            if batch.doubtful and not channel.resends:
                raise DeliveryRefusedError("may have been received before; it is not sent again", final=True)
            receipt = channel.deliver(batch, lambda one=batch: outbox.doubt(one, now()))  # type: ignore[misc]
        except DeliveryError as error:
            trouble = error
            retry_at = now() + min(FIRST_PAUSE * 2**min(batch.failures, 10), LONGEST_PAUSE)
            known = error.context.get("received") != "unknown"
            outbox.failed(batch, error.code, str(error), retry_at, known=known)
            outbox.postpone(channel.name, region_id, retry_at)
            _logger.warning("alerts wait: channel=%s region=%s error=%s", channel.name, region_id, error)
            break
        except DeliveryRefusedError as error:
            trouble = error
            _refused(outbox, batch, error, now())
            _logger.warning("alert refused: channel=%s region=%s error=%s", channel.name, region_id, error)
        else:
            outbox.sent(batch, now(), receipt)
            sent += len(batch.events)
    return ChannelReport(
        channel=channel.name, sent=sent, waiting=outbox.waiting(channel.name, region_id),
        error_code=trouble.code if trouble else None, error=str(trouble) if trouble else None,
    )


def _refused(outbox: Outbox, batch: Batch, error: DeliveryRefusedError, now: dt.datetime) -> None:
    if batch.refusals + 1 >= MOST_REFUSALS or error.context.get("final"):
        outbox.give_up(batch, error.code, str(error), now)
    else:
        outbox.refused(batch, error.code, str(error), now + FIRST_PAUSE * 2**batch.refusals)
