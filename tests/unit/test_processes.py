"""The supervisor with real processes that do nothing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from tasks.adapters.processes import descendants

ROOT = Path(__file__).resolve().parents[2]
SUPERVISED = textwrap.dedent("""
    import json, signal, sys
    from pathlib import Path
    from sm_core.errors import ProcessError
    from tasks.adapters.processes import Part, Patience, Supervisor

    folder = Path(sys.argv[1])
    supervisor = Supervisor({}, folder, Patience(first_pause=0.1, settled=5, deaths=3, start=20, end=2, runs_end=5,
                                                 look=0.05, ask=0.2, silent=1))
    signal.signal(signal.SIGTERM, supervisor.end)
    try:
        for name, code in json.loads(sys.argv[2]).items():
            beat = folder / f"{name}.beat"
            supervisor.start(Part(name, (sys.executable, "-c", code, str(folder)), beat.exists))
        print("ready", flush=True)
        supervisor.watch()
    except ProcessError as error:
        print(error, flush=True)
    finally:
        supervisor.stop()
    print("ended", flush=True)
""")
LIVES = "import sys, time, pathlib; (pathlib.Path(sys.argv[1]) / 'lives.beat').touch(); time.sleep(600)"
DIES = "import sys; sys.exit('no such thing')"
DEAF = ("import signal, sys, time, pathlib; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "(pathlib.Path(sys.argv[1]) / 'deaf.beat').touch(); time.sleep(600)")
RUN = """
import pathlib, signal, sys, time
folder = pathlib.Path(sys.argv[1])
def end(*_):
    time.sleep(0.5)
    (folder / "reported").touch()
    sys.exit()
signal.signal(signal.SIGTERM, end)
time.sleep(600)
"""
WORKER = f"""
import pathlib, signal, subprocess, sys, time
folder = pathlib.Path(sys.argv[1])
subprocess.Popen([sys.executable, "-c", {RUN!r}, sys.argv[1]], start_new_session=True)
def end(*_):
    (folder / "stopped").write_text(str((folder / "reported").exists()))
    sys.exit()
signal.signal(signal.SIGTERM, end)
(folder / "worker.beat").touch()
while True:
    time.sleep(1)
"""


@pytest.fixture
def supervise(tmp_path: Path):
    """Starts a supervisor of parts, by name and code; whatever is left of it is killed at the end."""
    begun: list[subprocess.Popen[str]] = []

    def start(**parts: str) -> subprocess.Popen[str]:
        begun.append(subprocess.Popen([sys.executable, "-c", SUPERVISED, str(tmp_path), json.dumps(parts)], cwd=ROOT,
                                      stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
        return begun[-1]

    yield start
    for process in begun:
        for pid in descendants(process.pid):
            os.kill(pid, signal.SIGKILL)
        process.kill()
        process.communicate()


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_one_that_is_killed_is_started_again(supervise) -> None:
    process = supervise(lives=LIVES)
    assert process.stdout.readline() == "ready\n"
    (first,) = descendants(process.pid)
    os.kill(first, signal.SIGKILL)
    end = time.monotonic() + 20
    while not (now := [pid for pid in descendants(process.pid) if pid != first and alive(pid)]):
        assert time.monotonic() < end
        time.sleep(0.05)
    process.terminate()
    assert process.communicate(timeout=30)[0] == "ended\n"
    assert not alive(now[0])


def test_one_that_cannot_live_ends_all_with_its_last_words(supervise) -> None:
    process = supervise(lives=LIVES, dies=DIES)
    said, _ = process.communicate(timeout=60)
    assert "dies died 3 times in a row, last with status 1" in said and "no such thing" in said
    assert said.endswith("ended\n")


def test_one_that_does_not_listen_is_killed(supervise) -> None:
    process = supervise(deaf=DEAF)
    assert process.stdout.readline() == "ready\n"
    (pid,) = descendants(process.pid)
    process.terminate()
    assert process.communicate(timeout=30)[0] == "ended\n"
    assert not alive(pid)


def test_one_that_falls_silent_is_started_anew(supervise, tmp_path: Path) -> None:
    process = supervise(lives=LIVES)
    assert process.stdout.readline() == "ready\n"
    (first,) = descendants(process.pid)
    (tmp_path / "lives.beat").unlink()
    end = time.monotonic() + 20
    while alive(first):
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.mark.parametrize("orphaned", [False, True], ids=["of a worker that lives", "of a worker that was killed"])
def test_runs_report_before_the_worker_is_told(supervise, tmp_path: Path, orphaned: bool) -> None:
    process = supervise(worker=WORKER)
    assert process.stdout.readline() == "ready\n"
    (worker, run) = descendants(process.pid)
    time.sleep(0.5)                                          # until the run listens
    if orphaned:
        os.kill(worker, signal.SIGKILL)
        time.sleep(0.3)
    process.terminate()
    assert process.communicate(timeout=30)[0] == "ended\n"
    assert (tmp_path / "reported").exists() and not alive(run)
    assert (tmp_path / "stopped").read_text() == "True"


def test_a_supervisor_that_is_killed_takes_its_parts_along(supervise) -> None:
    process = supervise(lives=LIVES)
    assert process.stdout.readline() == "ready\n"
    (part,) = descendants(process.pid)
    process.kill()
    end = time.monotonic() + 10
    while alive(part):
        assert time.monotonic() < end
        time.sleep(0.05)
