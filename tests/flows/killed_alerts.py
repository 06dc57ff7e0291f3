"""A daemon that issues alerts day after day, killed again and again, and at last left to finish.

    python killed_alerts.py <folder> <webhook address> <SMTP port> <kills> <seed>

It is killed so often after random steps, and whenever ``<folder>/harm`` appears before. Each life is a fork, so that
none has to import anything. ``<folder>/lives`` tells how many there were.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import random
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

from pydantic import SecretStr

from sm_core.alerts import Unit, UnitDay
from tasks.adapters.notify.configured import open_office
from tasks.settings_alerts import AlertSettings, WebhookSetting
from tasks.settings_sources import SourceSettings
from tests.unit.alert_cases import ISSUER, REGION, UNIT, date, unit_day
from tests.unit.alert_receivers import SECRET

DAYS = 120
UNITS: dict[str, Unit] = {
    f"u{n}": UNIT.model_copy(update={"unit_id": f"u{n}", "name_en": f"Unit {n}", "name_ko": f"구역 {n}"})
    for n in range(6)
}
Step = tuple[dt.date, tuple[UnitDay, ...]]


def steps(seed: int) -> list[Step]:
    """What comes in: a day of all units each morning, and every fourth morning the final values of an earlier day."""
    rng = random.Random(seed)
    level = dict.fromkeys(UNITS, 0.0)
    found: list[Step] = []
    for number in range(DAYS):
        for name in UNITS:
            level[name] = 0.93 * level[name] + rng.gauss(0, 0.5)
        known = tuple(unit_day(number, _sign(rng, level[name]), unit_id=name) for name in UNITS)
        found.append((date(number), known))
        if number % 4 == 3 and number > 12:
            earlier = number - rng.randrange(3, 12)
            final = tuple(
                day if rng.random() < 0.7 else unit_day(earlier, rng.choice("012"), unit_id=day.unit_id)
                for day in next(days for day, days in found if day == date(earlier))
            )
            found.append((date(earlier), tuple(day.model_copy(update={"provisional": False}) for day in final)))
    return found


def _sign(rng: random.Random, level: float) -> str:
    if rng.random() < 0.15:
        return "x"
    if level > 1.2 and rng.random() < 0.05:
        return "F"
    return "2" if level > 1.4 else "1" if level > 0.6 else "~" if level > 0.3 else "0"


def live(folder: Path, hook: str, port: int, seed: int, life: int) -> None:
    done = folder / "done"
    begin = int(done.read_text()) if done.exists() else 0
    now = dt.datetime.combine(date(0), dt.time(6), dt.UTC) + dt.timedelta(minutes=life)
    settings = AlertSettings(
        alert_rules=folder / "rules.yaml", alert_sender=ISSUER.sender, alert_sender_name=ISSUER.name.en,
        alert_sender_name_ko=ISSUER.name.ko, alert_web=ISSUER.web, alert_contact=ISSUER.contact,
        alert_webhooks=(WebhookSetting(name="one", url=SecretStr(hook), secret=SecretStr(SECRET)),),
        alert_smtp_host="127.0.0.1", alert_smtp_port=port, alert_smtp_security="none",
        alert_mail_from="alerts@example.org", alert_mail_to=("officer@example.org",),
    )
    clock = [now]
    office = open_office(settings, SourceSettings(), f"sqlite:///{folder}/ledger.db", folder / "alerts",
                         lambda: clock[0])
    for number, (day, days) in enumerate(steps(seed)):
        if number < begin:
            continue
        clock[0] = now + dt.timedelta(days=number)
        office.issue("test", REGION, day, days, UNITS)
        partial = folder / "done.part"
        partial.write_text(str(number + 1))
        partial.replace(done)
    clock[0] += dt.timedelta(days=1)
    office.deliver("test")
    office.close()


def main() -> None:
    folder, hook, port, kills, seed = Path(sys.argv[1]), sys.argv[2], *map(int, sys.argv[3:6])
    rng, harm = random.Random(seed), folder / "harm"
    moments = sorted(rng.randrange(len(steps(seed)) * 9 // 10) for _ in range(kills))
    lives = harmed = 0
    while True:
        lives += 1
        child = os.fork()
        if not child:
            live(folder, hook, port, seed, lives)
            os._exit(0)
        if moments and not wait(folder, moments[0]):
            harmed += 1
        elif moments:
            moments.pop(0)
            time.sleep(rng.uniform(0, 0.1))
        else:
            break
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        assert os.WIFSIGNALED(status), "the life was over before it was killed"
        harm.unlink(missing_ok=True)
    _, status = os.waitpid(child, 0)
    (folder / "lives").write_text(json.dumps({"lives": lives, "harmed": harmed, "status": status}))


def wait(folder: Path, steps_done: int) -> bool:
    """Until so many steps are done; False when harm is to be done before."""
    while not (folder / "harm").exists():
        with suppress(FileNotFoundError):
            if int((folder / "done").read_text()) >= steps_done:
                return True
        time.sleep(0.001)
    return False


if __name__ == "__main__":
    main()
