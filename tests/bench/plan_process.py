"""A reader's decisions in a process of their own: `python -m tests.bench.plan_process FOLDER N T`.

Opens the memory in FOLDER, which has grants to keys number 0 to N-1, and prints one JSON object:
seconds since T until the first correct decision, microseconds a decision, resident megabytes.
"""

from __future__ import annotations

import json
import random
import sys
import time
from pathlib import Path

from reader.clock import SystemTime
from reader.memory import Memory, open_memory
from shared.access.decide import Attempt, Denied, Granted, decide
from shared.access.rows import Method
from tests.bench.plan import key_of
from tests.bench.report import quantile

SAMPLES = 20_000


def main() -> None:
    """Measure and print."""
    folder, grants, started = Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    before = _resident_mb()
    memory = open_memory(folder, SystemTime())
    _expect(memory, 0, Granted)
    start_s = time.time() - started
    chosen = random.Random(20)
    times: list[float] = []
    waits: list[float] = []
    for _ in range(SAMPLES):
        # One in five is a stranger.
        number = chosen.randrange(grants + grants // 4)
        spent, waited = _expect(memory, number, Granted if number < grants else Denied)
        times.append(spent)
        waits.append(waited)
    figures = {
        "start_s": start_s,
        "p50_us": quantile(times, 0.5) * 1e6,
        "p99_us": quantile(times, 0.99) * 1e6,
        "wall_p99_us": quantile(waits, 0.99) * 1e6,
        "rss_mb": _resident_mb(),
        "grown_mb": _resident_mb() - before,
    }
    memory.close()
    print(json.dumps(figures))


def _expect(memory: Memory, number: int, kind: type[Granted] | type[Denied]) -> tuple[float, float]:
    """Decide on key `number`, check the answer, return seconds of processor and of wall clock.

    The budget is for the processor's: a busy machine that runs something else first adds the rest.
    """
    # The delta of the benchmark made some of the strangers known; those are not asked for.
    key = key_of(number if kind is Granted else number + 1_000_000_000)
    attempt = Attempt(key, Method.PKOC_BLE_ECDHE, proven=True)
    started, spent = time.perf_counter(), time.thread_time()
    verdict = decide(attempt, memory.know(key), memory.clock.read())
    spent, waited = time.thread_time() - spent, time.perf_counter() - started
    if not isinstance(verdict, kind):
        raise TypeError(f"key {number}: {verdict}")
    return spent, waited


def _resident_mb() -> float:
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("/proc/self/status names no VmRSS")


if __name__ == "__main__":
    main()
