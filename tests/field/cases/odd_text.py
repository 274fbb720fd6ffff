"""Brokers that are not Java put bytes into their texts that are not UTF-8 (an error message in the machine's own code page).
A definite refusal stays one, and a success a success."""

from kit import Cluster, Producer, verdict
from kit.wire import PRODUCE


def run(words, code):
    cluster = Cluster()
    cluster.topic("t")

    def answer(node, request):
        return {part[:2]: (code, [(0, words)] if code else [], words) for part in request["parts"]}

    cluster.on[PRODUCE] = answer
    producer = Producer(
        bootstrap_servers=cluster.bootstrap(), linger_ms=0, delivery_timeout_ms=3000, request_timeout_ms=1000
    )
    producer.send("t", b"a")
    producer.flush(6000)
    return producer.reports[-1], cluster.count(PRODUCE)


rows, all_hold = [], True
for words, code, status, persisted in (
    (b"Schl\xfcssel fehlt", 87, "INVALID_RECORD", 0),
    (b"bad\x00text", 87, "INVALID_RECORD", 0),
    (b"\xff" * 3000, 44, "POLICY_VIOLATION", 0),
    (b"warnung: k\xfcrzer", 0, "OK", 2),
):
    report, requests = run(words, code)
    all_hold &= (report["status"], report["persisted"], requests) == (status, persisted, 1)
    rows.append(
        f"{words[:16]!r} code {code}: {report['status']} persisted {report['persisted']} after {requests} requests: "
        f"{report['text'][:90]!r}"
    )
verdict(all_hold, " | ".join(rows))
