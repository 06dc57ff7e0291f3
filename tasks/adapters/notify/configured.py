"""The office that the settings describe."""

from __future__ import annotations

import datetime as dt
import socket
from collections.abc import Callable
from pathlib import Path

from sm_core.alerts import Issuer, Text, load_rules
from sm_core.errors import DeliveryError
from tasks.adapters.fetch.patience import Patience
from tasks.adapters.ledger.alerts import AlertBook
from tasks.adapters.ledger.database import Database
from tasks.adapters.notify.channel import Channel
from tasks.adapters.notify.folder import AtomFile, CapFiles, GeoJsonFile
from tasks.adapters.notify.mail import Mail, MailOptions
from tasks.adapters.notify.office import AlertOffice
from tasks.adapters.notify.webhook import Webhook, WebhookOptions
from tasks.settings_alerts import AlertSettings
from tasks.settings_sources import SourceSettings

ATTEMPTS = 3
"""Of a webhook within one run."""


def open_office(
    settings: AlertSettings, network: SourceSettings, ledger_url: str, folder: Path, now: Callable[[], dt.datetime]
) -> AlertOffice:
    """The office with all channels that have an address.

    Parameters
    ----------
    network
        Proxy and accepted authorities.
    ledger_url
        SQLAlchemy URL of the ledger.
    folder
        Of the files; one sub-folder for each region.

    Raises
    ------
    LedgerError       SM704, the database cannot be used.
    AlertRulesError   SM106, the rules cannot be read.
    """
    rules = load_rules(settings.alert_rules)
    database = Database(ledger_url, durable=True)
    database.upgrade()
    book = AlertBook(database)
    channels: list[Channel] = [CapFiles(folder), AtomFile(folder, book), GeoJsonFile(folder, book, now)]
    patience = Patience(ATTEMPTS, after=DeliveryError)
    channels += [
        Webhook(WebhookOptions(name=one.name, url=one.url, secret=one.secret, timeout_s=network.connect_timeout_s,
                               proxy=network.proxy, ca_bundle=network.ca_bundle), now, patience)
        for one in settings.alert_webhooks
    ]
    if settings.alert_smtp_host:
        channels.append(Mail(_mail(settings, network)))
    return AlertOffice(database, channels, rules, _issuer(settings), f"{socket.gethostname()}:{folder.resolve()}",
                       folder / ".sending", now)


def _issuer(settings: AlertSettings) -> Issuer:
    return Issuer(
        sender=settings.alert_sender, name=Text(en=settings.alert_sender_name, ko=settings.alert_sender_name_ko),
        status=settings.alert_status, web=settings.alert_web, contact=settings.alert_contact,
    )


def _mail(settings: AlertSettings, network: SourceSettings) -> MailOptions:
    return MailOptions(
        host=settings.alert_smtp_host, port=settings.alert_smtp_port, security=settings.alert_smtp_security,
        user=settings.alert_smtp_user, password=settings.alert_smtp_password, sender=settings.alert_mail_from,
        recipients=settings.alert_mail_to, timeout_s=network.connect_timeout_s, ca_bundle=network.ca_bundle,
        resends=settings.alert_mail_in_doubt == "resend",
    )
