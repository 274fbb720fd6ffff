"""400 topics are written to for the first time, one after the other: what is asked of the brokers grows with the topics, not
with their square."""

from kit import Cluster, Producer, verdict
from kit.wire import METADATA

TOPICS = 400
cluster = Cluster()
for number in range(TOPICS):
    cluster.topic(f"t{number}")
producer = Producer(bootstrap_servers=cluster.bootstrap(), linger_ms=0)
for number in range(TOPICS):
    producer.send(f"t{number}")
    assert producer.flush(5000) == "OK"
asked = [request for request in cluster.requests if request["api"] == METADATA]
names = sum(len(request["topics"]) for request in asked)
verdict(
    names <= 3 * TOPICS,
    f"{TOPICS} topics: {len(asked)} metadata requests named {names} topics in all ({names / TOPICS:.0f} for each new "
    f"topic), {sum(request['size'] for request in asked)} bytes of requests",
)
