"""Notices to who runs the daemon: their text, and the channels that they go through."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Iterable, Mapping

from sm_core.errors import DeliveryError, DeliveryRefusedError
from tasks.adapters.fetch.patience import Patience
from tasks.adapters.notify.configured import ATTEMPTS
from tasks.adapters.notify.mail import Mail, MailOptions
from tasks.adapters.notify.webhook import Webhook, WebhookOptions
from tasks.settings_alerts import AlertSettings
from tasks.settings_sources import SourceSettings
from tasks.settings_watch import WatchSettings
from tasks.watch.records import Finding, Notice, Pending

AUTHOR = "sm-daily watch"
Send = Callable[[Notice], str]


def open_channels(
    settings: WatchSettings, alerts: AlertSettings, network: SourceSettings, now: Callable[[], dt.datetime]
) -> dict[str, Send]:
    """A function for each channel that has an address, by name."""
    patience = Patience(ATTEMPTS, after=DeliveryError)
    channels: dict[str, Send] = {}
    for one in settings.watch_webhooks:
        options = WebhookOptions(name=one.name, url=one.url, secret=one.secret, timeout_s=network.connect_timeout_s,
                                 proxy=network.proxy, ca_bundle=network.ca_bundle)
        hook = Webhook(options, now, patience)
        channels[hook.name] = lambda notice, hook=hook: hook.post(notice.key, body_of(notice))  # type: ignore[misc]
    if alerts.alert_smtp_host and settings.watch_mail_to:
        mail = Mail(MailOptions(
            host=alerts.alert_smtp_host, port=alerts.alert_smtp_port, security=alerts.alert_smtp_security,
            user=alerts.alert_smtp_user, password=alerts.alert_smtp_password, sender=alerts.alert_mail_from,
            recipients=settings.watch_mail_to, timeout_s=network.connect_timeout_s, ca_bundle=network.ca_bundle,
        ))
        channels["mail"] = lambda notice: mail.send(
            mail.written(subject_of(notice), text_of(notice), AUTHOR, notice.sent, notice.key), lambda: None)
    return channels


def deliver(
    pending: Iterable[Pending], channels: Mapping[str, Send]
) -> tuple[tuple[Pending, ...], dict[str, DeliveryError | DeliveryRefusedError]]:
    """Send, oldest first. Returns what still waits and the last trouble of each channel.

    A channel in trouble is left alone until the next watch, so that no notice overtakes another; one that is not
    configured any more is forgotten.
    """
    waiting: list[Pending] = []
    troubles: dict[str, DeliveryError | DeliveryRefusedError] = {}
    for one in pending:
        left = []
        for name in one.channels:
            if name in channels and name not in troubles:
                try:
                    channels[name](one.notice)
                except (DeliveryError, DeliveryRefusedError) as error:
                    troubles[name] = error
            if name in troubles:
                left.append(name)
        if left:
            waiting.append(one.model_copy(update={"channels": tuple(left)}))
    return tuple(waiting), troubles


def subject_of(notice: Notice) -> str:
    """One line."""
    parts = []
    if notice.began:
        codes = sorted({finding.code for finding in notice.began})
        parts.append(f"{len(notice.began)} new: {', '.join(codes)}")
    if notice.ended:
        parts.append(f"{len(notice.ended)} over")
    return f"sm-daily {notice.region_id}: {'; '.join(parts)}"


def text_of(notice: Notice) -> str:
    """What began, with what to do, and what is over."""
    lines = [f"The watch over {notice.region_id}, {notice.sent:%Y-%m-%d %H:%M} UTC."]
    if notice.began:
        lines += ["", "New:", *(_told(finding) for finding in notice.began)]
    if notice.ended:
        lines += ["", "Over:", *(f"- {t.finding.code} {t.finding.message} (since {t.since:%Y-%m-%d %H:%M} UTC)"
                                 for t in notice.ended)]
    if notice.standing:
        lines += ["", f"Troubles told before that still stand: {notice.standing}."]
    return "\n".join(lines) + "\n"


def body_of(notice: Notice) -> bytes:
    """The same for machines: JSON."""
    content = {
        "type": "watch", "region_id": notice.region_id, "sent": notice.sent.isoformat(),
        "began": [finding.model_dump() for finding in notice.began],
        "ended": [{**one.finding.model_dump(), "since": one.since.isoformat()} for one in notice.ended],
        "standing": notice.standing,
    }
    return json.dumps(content, ensure_ascii=False).encode()


def _told(finding: Finding) -> str:
    return f"- {finding.code} {finding.message}\n  What to do: {finding.remedy}"
