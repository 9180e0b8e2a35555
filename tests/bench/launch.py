"""Runs one command and says what it took, as JSON in a file: `launch.py FILE TIMEOUT SAMPLES COMMAND…`.

It stands alone in a bare interpreter, because the peak memory of a process is never told to be less than that of the
process which started it.
"""

import json
import os
import signal
import sys
import time

_RSS_UNIT = 1 if sys.platform == "darwin" else 1024
_PAUSE = 0.02


def main() -> None:
    report, limit, samples, *words = sys.argv[1:]
    before = _stolen()
    begin = time.perf_counter()
    child = os.posix_spawnp(words[0], words, os.environ, setpgroup=0)
    signal.signal(signal.SIGALRM, lambda *_: os.killpg(child, signal.SIGKILL))
    signal.alarm(int(limit))
    curve = _watched(child) if samples != "0" else []
    _, status, used = os.wait4(child, 0)
    seconds = time.perf_counter() - begin
    took = {
        "seconds": seconds,
        "cpu": used.ru_utime + used.ru_stime,
        "stolen": (_stolen() - before) / (seconds * (os.cpu_count() or 1)),
        "peak_mb": used.ru_maxrss * _RSS_UNIT / 1e6,
        "code": os.waitstatus_to_exitcode(status),
        "curve": _thinned(curve, int(samples)),
    }
    with open(report, "w", encoding="utf-8") as file:  # noqa: PTH123  # pathlib would be a third of this process
        json.dump(took, file)


def _stolen() -> float:
    """Seconds, of all processors, in which a virtual machine wanted to work and its host did not let it."""
    try:
        with open("/proc/stat", encoding="ascii") as file:  # noqa: PTH123  # as above
            return int(file.readline().split()[8]) / os.sysconf("SC_CLK_TCK")
    except (OSError, IndexError):
        return 0.0


def _watched(child: int) -> list[float]:
    """The child's resident memory in MB while it lives, where the kernel tells."""
    found = []
    page = os.sysconf("SC_PAGE_SIZE")
    while os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        try:
            with open(f"/proc/{child}/statm", encoding="ascii") as file:  # noqa: PTH123  # as above
                found.append(int(file.read().split()[1]) * page / 1e6)
        except OSError:
            pass
        time.sleep(_PAUSE)
    return [mb for mb in found if mb]


def _thinned(curve: list[float], count: int) -> list[float]:
    """As many values as asked for, at equal distances."""
    return [curve[(number + 1) * len(curve) // (count + 1)] for number in range(count)] if curve else []


if __name__ == "__main__":
    main()
