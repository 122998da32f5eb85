"""What a command costs, from its start to its end: ``run_costed.py COSTS.json COMMAND...``; exits as the command does.

A small process of its own, because Linux counts the memory of the process that starts a command as the command's too.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

report, *command = sys.argv[1:]
start = time.perf_counter()
process = subprocess.Popen(command)
_, status, used = os.wait4(process.pid, 0)
costs = {
    "wall_s": time.perf_counter() - start,
    "cpu_s": used.ru_utime + used.ru_stime,  # with the processes that it started and waited for
    "peak_bytes": used.ru_maxrss * 1024,  # of the largest of them
}
Path(report).write_text(json.dumps(costs), encoding="utf-8")
sys.exit(os.waitstatus_to_exitcode(status) & 0xFF)
