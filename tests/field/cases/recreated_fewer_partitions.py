"""A topic is deleted and made again with fewer partitions while the producer lives on. Records that name no partition belong to
those that there are."""

import time

from kit import Cluster, Producer, verdict
from kit.wire import METADATA


def run(highest_version, name):
    cluster = Cluster(versions={METADATA: (7, highest_version)})
    cluster.topic("t", 12)
    producer = Producer(
        bootstrap_servers=cluster.bootstrap(),
        metadata_max_age_ms=500,
        linger_ms=0,
        batch_size=200,
        delivery_timeout_ms=4000,
        request_timeout_ms=1000,
    )
    for number in range(60):
        producer.send("t", b"a%d" % number, key=b"k%d" % number)
    assert producer.flush(5000) == "OK"
    cluster.topic("t", 3)
    time.sleep(1.5)  # Longer than metadata.max.age.ms: the new count is known.
    producer.reports.clear()
    for number in range(60):
        producer.send("t", b"b%d" % number, key=b"k%d" % number)
    for number in range(60):
        producer.send("t", b"c%d" % number)
    producer.flush(8000)
    used = sorted({report["partition"] for report in producer.reports})
    failed = next((report["text"] for report in producer.reports if report["status"] != "OK"), None)
    text = f"{name}: {producer.counts()}, partitions chosen {used}, first failure: {failed}"
    return producer.counts() == {"OK": 120}, text


runs = [run(12, "with topic ids"), run(8, "without topic ids")]
verdict(all(holds for holds, _ in runs), " | ".join(text for _, text in runs))
