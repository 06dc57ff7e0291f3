from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pyhdf.SD import SD, SDC

from sm_core.errors import GranuleCorruptError
from sm_core.sources import decode, hdf4

PATIENCE_S = 10.0


def alive(pid: int) -> bool:
    """Whether a process runs (a zombie does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_until(condition: Callable[[], bool]) -> bool:
    end = time.monotonic() + PATIENCE_S
    while not condition() and time.monotonic() < end:
        time.sleep(0.01)
    return condition()


def mean_of(path: Path) -> float:
    return float(decode(path)["lst_day"].mean())


def script(folder: Path, text: str) -> subprocess.Popen[str]:
    path = folder / "script.py"
    path.write_text(textwrap.dedent(text))
    command = [sys.executable, "-W", "always::ResourceWarning", str(path)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_fields_attributes_and_shapes(mod11: Callable[..., Path]) -> None:
    file = hdf4.read(mod11(), ["LST_Day_1km", "QC_Day"])
    assert set(file.fields) == {"LST_Day_1km", "QC_Day"}
    assert file.fields["LST_Day_1km"].data.dtype == np.uint16
    assert (file.fields["LST_Day_1km"].data == 14500).all()
    assert file.fields["LST_Day_1km"].attributes["scale_factor"] == 0.02
    assert file.fields["LST_Day_1km"].attributes["_FillValue"] == 0
    assert file.fields["LST_Day_1km"].attributes["valid_range"] == [7500, 65535]
    assert "_FillValue" not in file.fields["QC_Day"].attributes
    assert file.shapes["Night_view_time"] == (40, 50)
    assert file.attributes["HDFEOSVersion"] == "HDFEOS_V2.19"
    assert file.attributes["StructMetadata.0"].endswith("END\n")


def test_rows_of_a_field(tmp_path: Path, writers: Any) -> None:
    data = np.arange(600, dtype=np.int16).reshape(20, 30)
    path = writers.hdf4(tmp_path / "a.hdf", {"a": (data, {})}, {})
    np.testing.assert_array_equal(hdf4.read(path, ["a"], rows=(5, 9)).fields["a"].data, data[5:9])
    assert hdf4.read(path, ()).fields == {}


def test_every_type_survives(tmp_path: Path, writers: Any) -> None:
    fields = {
        kind: (np.array([[0, 1, 100]], kind), {}) for kind in ("uint8", "int8", "uint16", "int16", "float32")
    }
    file = hdf4.read(writers.hdf4(tmp_path / "a.hdf", fields, {}), list(fields))
    for kind, (data, _) in fields.items():
        assert file.fields[kind].data.dtype == np.dtype(kind)
        np.testing.assert_array_equal(file.fields[kind].data, data)


def test_one_process_serves_many_reads(mod11: Callable[..., Path]) -> None:
    path = mod11()
    hdf4.read(path, ())
    pid = hdf4.READER.pid
    for _ in range(20):
        hdf4.read(path, ["LST_Day_1km"])
    assert hdf4.READER.pid == pid


def test_process_killed_while_reading_costs_one_granule(mod11: Callable[..., Path]) -> None:
    path = mod11()
    assert mean_of(path) == pytest.approx(290.0)
    pid = hdf4.READER.pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)  # so that the read is under way for certain when the process dies
    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(mean_of, path)
        assert wait_until(hdf4.READER._lock.locked)
        time.sleep(0.1)
        os.kill(pid, signal.SIGKILL)
        with pytest.raises(GranuleCorruptError, match=r"ended while reading MOD11A1.*status=-9"):
            reading.result(PATIENCE_S)
    assert mean_of(path) == pytest.approx(290.0)
    assert hdf4.READER.pid not in (pid, None)
    assert not alive(pid)


def test_process_killed_while_idle_costs_nothing(mod11: Callable[..., Path]) -> None:
    path = mod11()
    hdf4.read(path, ())
    pid = hdf4.READER.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    assert wait_until(lambda: hdf4.READER.pid is None)
    assert mean_of(path) == pytest.approx(290.0)


def test_hung_read_is_ended(mod11: Callable[..., Path]) -> None:
    path = mod11()
    hdf4.read(path, ())
    pid = hdf4.READER.pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    start = time.monotonic()
    with pytest.raises(GranuleCorruptError, match=r"limit_s=0\.3"):
        hdf4.read(path, ["LST_Day_1km"], timeout_s=0.3)
    assert time.monotonic() - start < PATIENCE_S
    assert hdf4.read(path, ["LST_Day_1km"]).fields["LST_Day_1km"].data[0, 0] == 14500


def test_interrupted_read_does_not_answer_the_next(tmp_path: Path, writers: Any) -> None:
    """An exception between question and answer (a cancelled task) must not shift the answers."""
    one, two = (
        writers.hdf4(tmp_path / f"{value}.hdf", {"a": (np.full((4, 4), value, np.int16), {})}, {}) for value in (1, 2)
    )
    hdf4.read(one, ())
    pid = hdf4.READER.pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)

    class CancelledError(Exception):
        pass

    def interrupt(number: int, frame: object) -> None:
        os.kill(pid, signal.SIGCONT)
        raise CancelledError

    previous = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 0.1)
    try:
        with pytest.raises(CancelledError):
            hdf4.read(one, ["a"])
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
    assert (hdf4.read(two, ["a"]).fields["a"].data == 2).all()


def test_threads_get_their_own_answers(tmp_path: Path, writers: Any) -> None:
    paths = [
        writers.hdf4(tmp_path / f"{value}.hdf", {"a": (np.full((50, 50), value, np.int16), {})}, {})
        for value in range(8)
    ]

    def read(value: int) -> bool:
        return bool((hdf4.read(paths[value % 8], ["a"]).fields["a"].data == value % 8).all())

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(read, range(80)))


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_pool_workers_read_too(mod11: Callable[..., Path], method: str) -> None:
    """Also forked ones, which inherit the parent's reader, and daemonic ones, which may have no children of their own
    in multiprocessing's sense."""
    path = mod11()
    hdf4.read(path, ())
    pid = hdf4.READER.pid
    context = multiprocessing.get_context(method)
    with context.Pool(2 if method == "fork" else 1) as pool:
        assert pool.map(mean_of, [path] * 4) == pytest.approx([290.0] * 4)
    assert hdf4.READER.pid == pid
    assert mean_of(path) == pytest.approx(290.0)


def test_fork_during_a_read_leaves_both_sides_working(mod11: Callable[..., Path]) -> None:
    path = mod11()
    stop = threading.Event()

    def keep_reading() -> int:
        count = 0
        while not stop.is_set():
            hdf4.read(path, ["LST_Day_1km"])
            count += 1
        return count

    with ThreadPoolExecutor(1) as threads:
        reading = threads.submit(keep_reading)
        with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("fork")) as pool:
            assert list(pool.map(mean_of, [path] * 4)) == pytest.approx([290.0] * 4)
        stop.set()
        assert reading.result(PATIENCE_S) > 0


@pytest.mark.parametrize("last_words", ["", "os.kill(hdf4.READER.pid, signal.SIGSTOP)"], ids=["idle", "hung"])
def test_no_orphan_when_the_program_ends(tmp_path: Path, mod11: Callable[..., Path], last_words: str) -> None:
    program = script(tmp_path, f"""
        import os, signal
        from pathlib import Path
        from sm_core.sources import hdf4
        hdf4.read(Path({str(mod11())!r}), ["QC_Day"])
        print(hdf4.READER.pid)
        {last_words}
    """)
    out, err = program.communicate(timeout=60)
    assert program.returncode == 0, err
    assert err == ""
    assert wait_until(lambda: not alive(int(out)))


def test_no_orphan_when_the_program_is_killed(tmp_path: Path, mod11: Callable[..., Path]) -> None:
    program = script(tmp_path, f"""
        import os, signal
        from pathlib import Path
        from sm_core.sources import hdf4
        hdf4.read(Path({str(mod11())!r}), ["QC_Day"])
        print(hdf4.READER.pid, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
    """)
    out, _ = program.communicate(timeout=60)
    assert program.returncode == -signal.SIGKILL
    assert wait_until(lambda: not alive(int(out)))


def test_program_without_a_main_guard_runs_once(tmp_path: Path, mod11: Callable[..., Path]) -> None:
    program = script(tmp_path, f"""
        from pathlib import Path
        print("once")
        from sm_core.sources import hdf4
        print(hdf4.read(Path({str(mod11())!r}), ["LST_Day_1km"]).fields["LST_Day_1km"].data[0, 0])
    """)
    out, err = program.communicate(timeout=60)
    assert (out.split(), err) == (["once", "14500"], "")


def read_with_library(folder: Path, path: Path, **modules: str) -> str:
    """What a program prints that reads ``path`` with these modules in place of pyhdf's."""
    library = folder / "library" / "pyhdf"
    library.mkdir(parents=True)
    for name, text in modules.items():
        (library / f"{name}.py").write_text(text)
    program = script(folder, f"""
        import os
        os.environ["PYTHONPATH"] = {str(library.parent)!r}
        from pathlib import Path
        from sm_core.errors import SmError
        from sm_core.sources import hdf4
        try:
            hdf4.read(Path({str(path)!r}), ())
        except SmError as error:
            print(error.code, error)
    """)
    out, err = program.communicate(timeout=60)
    return out + err


def test_library_that_cannot_be_loaded_is_not_blamed_on_the_granule(
    tmp_path: Path, mod11: Callable[..., Path]
) -> None:
    said = read_with_library(tmp_path, mod11(), __init__="raise ImportError('libmfhdf.so.4: cannot open')")
    assert "SM100 the HDF4 reader does not start: libmfhdf.so.4" in said


def test_what_the_library_prints_does_not_enter_the_answers(tmp_path: Path, mod11: Callable[..., Path]) -> None:
    said = read_with_library(
        tmp_path, mod11(), __init__="", error="class HDF4Error(Exception): pass",
        SD="import os\nfrom pyhdf.error import HDF4Error\ndef SD(path):\n    os.write(1, b'noise')\n"
           "    raise HDF4Error('no such file')\n",
    )
    assert "SM205" in said
    assert "HDF4Error: no such file" in said


def test_file_that_claims_to_be_huge_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "huge.hdf"
    file = SD(str(path), SDC.WRITE | SDC.CREATE | SDC.TRUNC)
    file.create("a", SDC.INT16, (60_000, 60_000)).endaccess()  # 7.2 GB of which nothing is written
    file.end()
    with pytest.raises(GranuleCorruptError, match="MemoryError"):
        hdf4.read(path, ["a"], timeout_s=30)


def test_looping_descriptor_blocks_are_no_endless_read(tmp_path: Path, mod11: Callable[..., Path]) -> None:
    content = bytearray(mod11().read_bytes())
    content[6:10] = (4).to_bytes(4, "big")  # the first block names itself as the next
    path = tmp_path / "loop.hdf"
    path.write_bytes(content)
    with pytest.raises(GranuleCorruptError, match="loop"):
        hdf4.read(path, ())


def test_random_damage_never_gets_past_a_coded_error(tmp_path: Path, mod11: Callable[..., Path]) -> None:
    good = np.frombuffer(mod11().read_bytes(), np.uint8)
    path = tmp_path / "damaged.hdf"
    rng = np.random.default_rng(7)
    outcomes = set()
    for _ in range(40):
        bad = good.copy()
        bad[rng.integers(4, len(bad), 8)] = rng.integers(0, 256, 8)
        path.write_bytes(bad.tobytes())
        try:
            hdf4.read(path, ["LST_Day_1km"], timeout_s=5)
            outcomes.add("read")
        except GranuleCorruptError:
            outcomes.add("refused")
        except hdf4.SchemaDriftError:
            outcomes.add("drift")
    assert "refused" in outcomes
    assert mean_of(mod11()) == pytest.approx(290.0)
