"""Worker processes leave with the process that started them, however it ends."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from paco_core.workers import workers

PARENT = """
import os, time
from paco_core.workers import workers
if __name__ == "__main__":
    with workers(2) as pool:
        pool.submit(time.sleep, 0).result()
        print(*pool._processes, flush=True)
        pool.submit(time.sleep, 600)
        time.sleep(600)
"""


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_workers_of_a_killed_process_do_not_stay(tmp_path):
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    environment = {**os.environ, "PYTHONPATH": str(Path.cwd())}
    parent = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True, env=environment)
    assert parent.stdout is not None
    children = [int(pid) for pid in parent.stdout.readline().split()]
    assert children and all(alive(pid) for pid in children)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    patience = time.monotonic() + 30
    while any(alive(pid) for pid in children) and time.monotonic() < patience:
        time.sleep(0.2)
    assert not any(alive(pid) for pid in children)


def test_what_is_not_begun_is_given_up():
    started = time.monotonic()
    with workers(1) as pool:
        pool.submit(time.sleep, 0).result()
        for _ in range(50):
            pool.submit(time.sleep, 2)
    assert time.monotonic() - started < 30
