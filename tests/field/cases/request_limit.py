"""Brokers that hang up when one request is larger than they take (Event Hubs: 1,046,528 bytes; Kafka's
socket.request.max.bytes, Redpanda's kafka_request_max_bytes). max.request.size is set below the limit: no request is larger, or
each of them would cost a connection and a back-off."""

import time

from kit import Cluster, Producer, verdict
from kit.cluster import CLOSE

LIMIT = 1046528


def run(name, **properties):
    cluster = Cluster()
    cluster.topic("t", 40)
    sizes = []

    def receive(node, size):
        sizes.append(size)
        return CLOSE if size > LIMIT else None

    cluster.on["size"] = receive
    producer = Producer(
        bootstrap_servers=cluster.bootstrap(),
        max_request_size=1000000,
        batch_size=200000,
        linger_ms=20,
        delivery_timeout_ms=20000,
        request_timeout_ms=5000,
        **properties,
    )
    began = time.time()
    for _ in range(10):
        for partition in range(40):
            assert producer.send("t", b"x" * 100000, partition=partition) == 0
        producer.poll(0)
        time.sleep(0.05)
    status = producer.flush(30000)
    took = time.time() - began
    refused = sum(1 for size in sizes if size > LIMIT)
    failed = next((report["text"] for report in producer.reports if report["status"] != "OK"), None)
    text = (
        f"{name}: flush {status} after {took:.1f} s, reports {producer.counts()}, largest request {max(sizes)} bytes (limit "
        f"{LIMIT}), {refused} of {len(sizes)} requests refused by hanging up; first failure: {failed}"
    )
    return refused == 0 and producer.counts() == {"OK": 400}, text


runs = [run("defaults"), run("without retries", retries=0, enable_idempotence="false", acks=1)]
verdict(all(holds for holds, _ in runs), " | ".join(text for _, text in runs))
