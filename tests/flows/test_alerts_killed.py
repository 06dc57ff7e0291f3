"""120 days of alerts by a daemon that is killed at random moments: every message once in every channel.

Ten random moments here, ``SM_TEST_KILLS=100`` for more; and whenever a coin says so when a receiver has a message and
has not answered (in doubt): then nobody can know whether it was received. Figures are logged
(``-o log_cli=true -o log_cli_level=INFO``).
"""

from __future__ import annotations

import json
import logging
import os
import random
import subprocess
import sys
import time
from collections import Counter
from contextlib import closing
from pathlib import Path

import yaml
from defusedxml.ElementTree import parse

from sm_core.alerts import AlertEvent, Standing, UnitDay
from tasks.adapters.ledger.alerts import AlertBook
from tasks.adapters.ledger.database import Database
from tests.flows.killed_alerts import DAYS, UNITS, steps
from tests.unit.alert_cases import ISSUER, RULES, SCHEME, tell
from tests.unit.alert_receivers import Mailbox, Subscriber, listening, mail_server

ROOT = Path(__file__).resolve().parents[2]
KILLS = int(os.environ.get("SM_TEST_KILLS", "10"))
SEED = 20260501
ATOM = "{http://www.w3.org/2005/Atom}"


def expected(seed: int) -> list[AlertEvent]:
    """The messages, by the rules alone."""
    known: dict[tuple[str, object], UnitDay] = {}
    standings: dict[str, Standing | None] = dict.fromkeys(UNITS)
    scheme = SCHEME.model_copy(update={
        "issuer": ISSUER.model_copy(update={"web": f"{ISSUER.web}/test"}), "rules": RULES})
    events = []
    for day, days in steps(seed):
        known |= {(one.unit_id, one.day): one for one in days}
        for name in UNITS:
            series = [one for (unit, _), one in known.items() if unit == name]
            standings[name], event = tell(standings[name], series, day, scheme, UNITS[name])
            events += [event] if event else []
    return events


def test_every_message_goes_out_once(tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(RULES.model_dump(mode="json")), encoding="utf-8")
    rng = random.Random(SEED)

    def harm() -> None:
        if rng.random() < 0.2:
            (tmp_path / "harm").touch()
            time.sleep(0.05)

    subscriber, mailbox = Subscriber(harm), Mailbox(harm)
    with listening(subscriber) as hook, mail_server(mailbox) as port:
        command = [sys.executable, str(ROOT / "tests" / "flows" / "killed_alerts.py"), str(tmp_path), hook, str(port),
                   str(KILLS), str(SEED)]
        ran = subprocess.run(command, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True,
                             text=True, timeout=600, check=False)
    assert ran.returncode == 0, ran.stderr
    life = json.loads((tmp_path / "lives").read_text())
    assert life["status"] == 0, ran.stderr
    assert life["lives"] == KILLS + life["harmed"] + 1

    wanted = expected(SEED)
    assert len(steps(SEED)) > DAYS and {event.kind for event in wanted} == {
        "issue", "update", "renewal", "cancel", "correction"}
    keys, identifiers = [event.key for event in wanted], sorted(event.identifier for event in wanted)
    with closing(Database(f"sqlite:///{tmp_path}/ledger.db")) as database:
        assert [event.key for event in AlertBook(database).events("test")] == keys

    files = [path.stem for path in (tmp_path / "alerts" / "test" / "cap").iterdir()]
    assert sorted(files) == identifiers
    entries = parse(tmp_path / "alerts" / "test" / "alerts.atom").findall(f"{ATOM}entry/{ATOM}link")
    assert sorted(Path(entry.attrib["href"]).stem for entry in entries) == identifiers

    assert list(subscriber.taken) == keys, "each once, and in order"
    told = Counter(word for mail in mailbox.distinct for word in mail.get_content().split() if word in identifiers)
    assert told == Counter(dict.fromkeys(identifiers, 2)), "once in English, once in Korean"

    doubled_calls, doubled_mails = len(subscriber.calls) - len(keys), len(mailbox.mails) - len(mailbox.distinct)
    assert doubled_calls + doubled_mails <= life["lives"], "only what was in doubt is sent again"
    logging.getLogger(__name__).info(
        "kills=%d in_doubt=%d messages=%d doubled_calls=%d mails=%d doubled_mails=%d", life["lives"] - 1,
        life["harmed"], len(keys), doubled_calls, len(mailbox.distinct), doubled_mails)
