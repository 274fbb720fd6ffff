"""One metadata answer of 80 MB (bytes behind its end are ignored): it is read in linear time, in less than a second per 50 MB."""

import time

from kit import Cluster, Producer, verdict
from kit.cluster import frame
from kit.wire import METADATA

BYTES = 80_000_000
cluster = Cluster()
cluster.topic("t")
began = []


def answer(node, request):
    if began:
        return None
    body = cluster.metadata(request["version"], False, request["topics"], False)
    began.append(time.time())
    request["connection"].sendall(frame(request["correlation"], body + bytes(BYTES - len(body))))
    return "silent"


cluster.on[METADATA] = answer
producer = Producer(bootstrap_servers=cluster.bootstrap(), enable_idempotence="false", linger_ms=0)
producer.send("t")
status = producer.flush(20000)
took = time.time() - began[0]
verdict(
    status == "OK" and took < BYTES / 50e6,
    f"{BYTES // 1_000_000} MB: {took:.2f} s from the answer to the report, flush {status}",
)
