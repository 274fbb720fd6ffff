"""A managed cluster in trouble leaves one partition out of its metadata for a while. Another partition of the topic gets
another leader meanwhile: its records follow."""

import time

from kit import Cluster, Producer, verdict
from kit.wire import METADATA, PRODUCE

cluster = Cluster(2)
cluster.topic("t", 3)
producer = Producer(
    bootstrap_servers=cluster.bootstrap(),
    linger_ms=0,
    metadata_max_age_ms=300,
    delivery_timeout_ms=6000,
    request_timeout_ms=1000,
)
for partition in range(3):
    producer.send("t", b"a", partition=partition)
assert producer.flush(5000) == "OK"
producer.reports.clear()
partitions = cluster.topics["t"]["partitions"]
del partitions[1]
partitions[0] = [2, 1, 0]
began = time.time()
producer.send("t", b"b", partition=0)
producer.send("t", b"b", partition=2)
producer.flush(7000)
reports = {report["partition"]: report for report in producer.reports}
moved = [r for r in cluster.requests if r["api"] == PRODUCE and r["time"] > began and r["node"] == 2]
verdict(
    all(reports[partition]["status"] == "OK" for partition in (0, 2)),
    f"partition 0: {reports[0]['status']} after {reports[0]['at'] - began:.1f} s, {len(moved)} requests to its new leader, "
    f"{cluster.count(METADATA, began)} metadata requests; partition 2: {reports[2]['status']}; {reports[0]['text'][-200:]}",
)
