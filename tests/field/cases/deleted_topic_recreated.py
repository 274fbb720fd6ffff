"""A topic that was written to some time ago is deleted. Brokers create topics that a metadata request names with
allow_auto_topic_creation; as no records are sent to it any more, no request may bring it back."""

import time

from kit import Cluster, Producer, verdict
from kit.wire import METADATA

cluster = Cluster()
cluster.creates_topics = True
cluster.topic("kept")
cluster.topic("gone")
producer = Producer(bootstrap_servers=cluster.bootstrap(), metadata_max_age_ms=500)
producer.send("kept")
producer.send("gone")
assert producer.flush(5000) == "OK"
del cluster.topics["gone"]
deleted_at = time.time()
while time.time() < deleted_at + 4:
    producer.send("kept")
    producer.poll(0)
    time.sleep(0.1)
asked = [r for r in cluster.requests if r["api"] == METADATA and r["time"] > deleted_at]
named = [r for r in asked if "gone" in r["topics"]]
creating = [r for r in named if r["creates"]]
verdict(
    "gone" not in cluster.topics,
    f"{len(asked)} metadata requests after the deletion, {len(named)} still name it, {len(creating)} of them with "
    f"allow_auto_topic_creation=true; the topic is {'back' if 'gone' in cluster.topics else 'still deleted'}",
)
