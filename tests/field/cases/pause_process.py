"""The process stands still (docker pause, SIGSTOP, a debugger) for longer than request.timeout.ms and delivery.timeout.ms,
with the broker's answer in the socket. What was acknowledged is reported as delivered, and the connection is kept."""

import os
import signal
import subprocess
import sys
import time

from kit import Cluster, Producer, verdict
from kit.wire import API_VERSIONS, PRODUCE


def serve():
    """The broker, in a process that is not stopped. It answers late, and on each line of input tells what it has seen."""
    cluster = Cluster()
    cluster.topic("t")
    connections = []
    cluster.on["connection"] = lambda node, connection: connections.append(node)
    cluster.on[PRODUCE] = lambda node, request: time.sleep(1)
    print(cluster.bootstrap(), flush=True)
    for line in sys.stdin:
        if line == "greet late\n":
            cluster.on[API_VERSIONS] = cluster.on.pop(PRODUCE)
            connections.clear()
        print(cluster.offsets.get(("t", 0), 0), len(connections), flush=True)


if sys.argv[1:] == ["serve"]:
    serve()
    sys.exit()

broker = subprocess.Popen([sys.executable, __file__, "serve"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
bootstrap = broker.stdout.readline().strip()


def ask(line):
    broker.stdin.write(line + "\n")
    broker.stdin.flush()
    return [int(word) for word in broker.stdout.readline().split()]


def stand_still(seconds):
    subprocess.Popen(["sh", "-c", f"sleep {seconds}; kill -CONT {os.getpid()}"])
    os.kill(os.getpid(), signal.SIGSTOP)


runs, written_before = [], 0
for request_timeout, delivery_timeout in ((2000, 4000), (2000, 60000)):
    producer = Producer(
        bootstrap_servers=bootstrap,
        linger_ms=0,
        request_timeout_ms=request_timeout,
        delivery_timeout_ms=delivery_timeout,
    )
    producer.send("t", b"a")
    time.sleep(0.3)
    stand_still(5)
    producer.flush(10000)
    report, written = producer.reports[-1], ask("?")[0]
    runs.append(
        (
            (report["status"], report["attempts"], written - written_before) == ("OK", 1, 1),
            f"in flight, still for 5 s, request.timeout.ms {request_timeout}, delivery.timeout.ms {delivery_timeout}: "
            f"{report['status']}, persisted {report['persisted']}, {report['attempts']} attempts, written "
            f"{written - written_before} times; {report['text'][:140]}",
        )
    )
    written_before = written
    producer.close(0)
ask("greet late")
producer = Producer(bootstrap_servers=bootstrap, linger_ms=0, request_timeout_ms=2000, delivery_timeout_ms=60000)
producer.send("t", b"a")
time.sleep(0.3)
stand_still(4)
producer.flush(10000)
connections = ask("?")[1]
runs.append((connections == 1, f"while versions are asked for, still for 4 s: {connections} connections"))
broker.stdin.close()
verdict(all(holds for holds, _ in runs), " | ".join(text for _, text in runs))
