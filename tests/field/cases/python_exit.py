"""A Python program ends while a thread delivers reports into Python: a daemon thread that polls, or the library's own with
delivery.dispatch=thread. The interpreter ends such threads by pthread_exit. The process ends with its own exit status.
RUNS=50: how often each."""

import os
import subprocess
import sys
import threading
import time

from kit import Producer, verdict

STATUS = 7


def program(how):
    properties = {"test.mock.num.brokers": 1, "linger.ms": 0}
    if how == "dispatch thread":
        properties["delivery.dispatch"] = "thread"
    producer = Producer(**properties)

    def poll():
        while True:
            producer.poll(10)

    def send():
        while True:
            producer.send("t", b"x")

    if how == "daemon poller":
        threading.Thread(target=poll, daemon=True).start()
    threading.Thread(target=send, daemon=True).start()
    time.sleep(0.5)
    sys.exit(STATUS)


if sys.argv[1:]:
    program(sys.argv[1])

rows, all_hold = [], True
for how in ("daemon poller", "dispatch thread"):
    ends = {}
    for _ in range(int(os.environ.get("RUNS", "8"))):
        run = subprocess.run([sys.executable, __file__, how], capture_output=True, timeout=60)
        end = (run.returncode, run.stderr.decode(errors="replace").strip()[:60])
        ends[end] = ends.get(end, 0) + 1
    rows.append(f"{how}: {ends}")
    all_hold &= all(status == STATUS for status, _ in ends)
verdict(all_hold, "; ".join(rows))
