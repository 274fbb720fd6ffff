"""A quota holds the producer back: a flush that ends too early says so, as do its health and one log line."""

from kit import Cluster, Producer, verdict

cluster = Cluster()
cluster.topic("t")
producer = Producer(bootstrap_servers=cluster.bootstrap(), linger_ms=0, logs=True)
producer.send("t", b"a")
producer.flush(3000)
cluster.throttle = 6000
producer.send("t", b"b")
producer.flush(3000)
cluster.throttle = 0
producer.send("t", b"c")
status, text = producer.flush(1500), producer.error()
health = producer.health()


def says_so(words):
    return any(cause in words.lower() for cause in ("throttl", "quota"))


lines = [line[3] for line in producer.logs if says_so(line[3])]
said_by = [
    place for place, words in (("flush", text), ("health", health[1]), ("log", " ".join(lines))) if says_so(words)
]
last = producer.flush(8000)
verdict(
    "flush" in said_by and last == "OK",
    f"flush {status}: {text!r}; health {health}; log {lines[:1]}; said by {said_by}; then {last}",
)
