"""The bootstrap server answers, but the brokers advertise a name that does not resolve here: the commonest mistake with
containers. The report and the flush name it."""

from kit import Cluster, Producer, verdict

NAME = "kafka-0.internal.invalid"
cluster = Cluster(advertise=lambda node: (NAME, 9092))
cluster.topic("t")
producer = Producer(
    bootstrap_servers=cluster.bootstrap(), linger_ms=0, delivery_timeout_ms=4000, request_timeout_ms=1000, logs=True
)
producer.send("t")
status, text = producer.flush(2000), producer.error()
health = producer.health()
producer.flush(6000)
report = producer.reports[-1]
verdict(
    report["status"] == "DELIVERY_TIMED_OUT" and NAME in report["text"] and report["persisted"] == 0 and NAME in text,
    f"report: {report['text']} | flush {status}: {text} | health {health} | log {[log[3] for log in producer.logs][:3]}",
)
