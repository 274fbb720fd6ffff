"""30 brokers with a partition each; the program sends to one partition, or uses the partitioner that stays with one broker.
Brokers that get no records get no connection: managed services count and limit them."""

import time

from kit import Cluster, Producer, verdict
from kit.wire import PRODUCE


def run(name, partition, **properties):
    cluster = Cluster(30)
    cluster.topic("t", 30)
    for index in range(30):
        cluster.topics["t"]["partitions"][index][0] = 1 + index
    producer = Producer(bootstrap_servers=f"127.0.0.1:{cluster.ports[1]}", linger_ms=0, **properties)
    for _ in range(5):
        producer.send("t", b"a", partition=partition)
        producer.flush(3000)
        time.sleep(0.1)
    time.sleep(0.5)
    connected = {request["node"] for request in cluster.requests}
    produced_to = sorted({request["node"] for request in cluster.requests if request["api"] == PRODUCE})
    counts = producer.counts()
    producer.close(100)
    text = f"{name}: {counts}, produced to {produced_to}, connected to {len(connected)} brokers"
    return counts == {"OK": 5} and len(connected) <= 3, text


runs = [run("records to partition 3", 3), run("single_broker", -1, partitioner="single_broker")]
verdict(all(holds for holds, _ in runs), " | ".join(text for _, text in runs))
