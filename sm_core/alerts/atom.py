"""Messages as an Atom feed (RFC 4287)."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from xml.etree.ElementTree import Element

from sm_core.alerts.cap import MEDIA_TYPE
from sm_core.alerts.event import AlertEvent, Issuer
from sm_core.alerts.markup import child, document, root_of
from sm_core.alerts.rules import Text
from sm_core.alerts.texts import description, headline

NAMESPACE = "http://www.w3.org/2005/Atom"
_NAMES = uuid.UUID("6f1ce1a5-9a36-4a6b-8f0e-6a0f6d2f7b11")


def atom_feed(events: Sequence[AlertEvent], *, region_id: str, region: Text, issuer: Issuer) -> bytes:
    """The feed of a region, the newest message first; ids never change.

    Parameters
    ----------
    events
        Messages in the order in which they were made; at least one.
    issuer
        ``web`` is the address of the folder in which the feed lies beside ``cap/``; without one, links are relative.
    """
    root = root_of("feed", NAMESPACE)
    child(root, "id", uuid.uuid5(_NAMES, f"{issuer.sender}\n{region_id}").urn)
    child(root, "title", f"{region.en} – {region.ko}")
    child(root, "updated", _time(max(events, key=lambda event: event.sent)))
    child(child(root, "author"), "name", f"{issuer.name.en} – {issuer.name.ko}")
    child(root, "link", rel="self", type="application/atom+xml", href=_address(issuer, "alerts.atom"))
    for event in reversed(events):
        _entry(root, event, issuer)
    return document(root)


def _entry(root: Element, event: AlertEvent, issuer: Issuer) -> None:
    entry = child(root, "entry")
    test = "" if event.issuer.status == "Actual" else f"[{event.issuer.status}] "
    child(entry, "id", uuid.uuid5(_NAMES, event.key).urn)
    child(entry, "title", f"{test}{headline(event, 'en')} – {headline(event, 'ko')}")
    child(entry, "published", _time(event))
    child(entry, "updated", _time(event))
    child(entry, "category", term=event.kind)
    child(entry, "link", rel="alternate", type=MEDIA_TYPE,
          href=_address(issuer, f"cap/{event.identifier}.xml"))
    child(entry, "summary", f"{description(event, 'en')}\n{description(event, 'ko')}")


def _time(event: AlertEvent) -> str:
    return f"{event.sent:%Y-%m-%dT%H:%M:%SZ}"


def _address(issuer: Issuer, path: str) -> str:
    return f"{issuer.web.rstrip('/')}/{path}" if issuer.web else path
