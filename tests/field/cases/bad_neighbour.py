"""The broker refuses one record of a batch and names it (KIP-467: no key in a compacted topic, a timestamp too far ahead).
The other records are good."""

from kit import Cluster, Producer, verdict
from kit.wire import PRODUCE

INVALID_RECORD, INVALID_TIMESTAMP = 87, 32


def run(code, status, words):
    cluster = Cluster()
    cluster.topic("t")

    def refuse(node, request):
        answers = {}
        for topic, partition, batches in request["parts"]:
            bad = [number for number, (_, _, value) in enumerate(batches[0].records) if value == b"bad"]
            if bad:
                named = [(number, f"{words} at {number}") for number in bad]
                answers[(topic, partition)] = (code, named, "One or more records have been rejected")
        return answers

    cluster.on[PRODUCE] = refuse
    producer = Producer(
        bootstrap_servers=cluster.bootstrap(), linger_ms=100, request_timeout_ms=2000, delivery_timeout_ms=8000
    )
    for number in range(10):
        producer.send("t", b"bad" if number == 4 else b"good%d" % number)
    producer.flush(10000)
    counts = producer.counts()
    producer.send("t", b"later")
    producer.flush(5000)
    failed = sorted({(r["status"], r["persisted"], r["text"]) for r in producer.reports if r["status"] != "OK"})
    text = (
        f"code {code}: {counts}, in the log {len(cluster.values('t', 0))} of 10 records; "
        f"later record {producer.reports[-1]['status']}; {failed}"
    )
    return counts == {"OK": 9, status: 1}, text


runs = [
    run(INVALID_RECORD, "INVALID_RECORD", "Compacted topic cannot accept message without key"),
    run(INVALID_TIMESTAMP, "INVALID_TIMESTAMP", "Timestamp is ahead"),
]
verdict(all(holds for holds, _ in runs), " | ".join(text for _, text in runs))
