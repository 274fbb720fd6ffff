"""libkproducer through ctypes: what a Python program without a binding would write."""

import ctypes as C
import json
import os
import time

LIBRARY = C.CDLL(os.environ.get("KPRODUCER_LIB", "build/lib/libkproducer.so"))


class Header(C.Structure):
    _fields_ = [("name", C.c_char_p), ("value", C.c_char_p), ("value_len", C.c_size_t)]


class Record(C.Structure):
    _fields_ = [
        ("struct_size", C.c_size_t),
        ("topic", C.c_char_p),
        ("topic_handle", C.c_void_p),
        ("partition", C.c_int32),
        ("key", C.c_char_p),
        ("key_len", C.c_size_t),
        ("value", C.c_char_p),
        ("value_len", C.c_size_t),
        ("headers", C.POINTER(Header)),
        ("header_count", C.c_size_t),
        ("timestamp_ms", C.c_int64),
        ("delivery_timeout_ms", C.c_int32),
        ("acks", C.c_int32),
    ]


class Report(C.Structure):
    _fields_ = [
        ("struct_size", C.c_size_t),
        ("status", C.c_int32),
        ("topic", C.c_char_p),
        ("partition", C.c_int32),
        ("offset", C.c_int64),
        ("timestamp_ms", C.c_int64),
        ("timestamp_type", C.c_int32),
        ("key_len", C.c_int64),
        ("value_len", C.c_int64),
        ("persisted", C.c_int32),
        ("phase", C.c_int32),
        ("broker_id", C.c_int32),
        ("attempts", C.c_int32),
        ("latency_us", C.c_int64),
        ("opaque", C.c_void_p),
        ("error_text", C.c_char_p),
        ("record_count", C.c_int32),
    ]


class Health(C.Structure):
    _fields_ = [
        ("struct_size", C.c_size_t),
        ("state", C.c_int32),
        ("since_ms", C.c_int64),
        ("partitions", C.c_int64),
        ("partitions_leaderless", C.c_int64),
        ("text", C.c_char * 256),
    ]


DELIVERY = C.CFUNCTYPE(None, C.POINTER(Report), C.c_void_p)
LOG = C.CFUNCTYPE(None, C.c_int32, C.c_char_p, C.c_char_p, C.c_void_p)
for function in ("status_name", "last_error", "status_text"):
    getattr(LIBRARY, "producer_" + function).restype = C.c_char_p
LIBRARY.producer_send.argtypes = [C.c_void_p, C.POINTER(Record), C.c_void_p, C.c_void_p]
for function in ("flush", "poll", "close", "init_transactions", "commit_transaction", "abort_transaction"):
    getattr(LIBRARY, "producer_" + function).argtypes = [C.c_void_p, C.c_int32]
LIBRARY.producer_begin_transaction.argtypes = [C.c_void_p]
LIBRARY.producer_status_is_abortable.restype = C.c_bool
LIBRARY.producer_health.argtypes = [C.c_void_p, C.POINTER(Health)]
LIBRARY.producer_stats_json.argtypes = [C.c_void_p, C.POINTER(C.c_void_p)]
LIBRARY.producer_string_free.argtypes = [C.c_void_p]


def status_name(status):
    return LIBRARY.producer_status_name(status).decode()


class Producer:
    """A producer. `reports` collects a dict for each report, `logs` (time, level, facility, message) of each log line."""

    def __init__(self, logs=False, **config):
        """Underscores in property names stand for dots."""
        self.reports, self.logs = [], []
        properties = C.c_void_p()
        assert LIBRARY.producer_config_new(C.byref(properties)) == 0
        for key, value in config.items():
            key = key.replace("_", ".") if "." not in key else key
            if LIBRARY.producer_config_set(properties, key.encode(), str(value).encode()) != 0:
                raise ValueError(self.error())
        # Callbacks have to live as long as the producer.
        self._on_log = LOG(lambda level, facility, text, _: self._log(level, facility, text))
        self._on_report = DELIVERY(self._report)
        self._on_report_pointer = C.cast(self._on_report, C.c_void_p)
        if logs:
            LIBRARY.producer_config_set_log_callback(properties, self._on_log, None)
        self.handle = C.c_void_p()
        status = LIBRARY.producer_new(properties, C.byref(self.handle))
        LIBRARY.producer_config_free(properties)
        if status:
            raise ValueError(self.error())
        self.sent = 0

    def _log(self, level, facility, text):
        self.logs.append((time.time(), level, facility.decode(), text.decode()))

    def _report(self, report, opaque):
        report = report.contents
        self.reports.append(
            {
                "status": status_name(report.status),
                "topic": report.topic.decode(),
                "partition": report.partition,
                "offset": report.offset,
                "timestamp": report.timestamp_ms,
                "persisted": report.persisted,
                "phase": report.phase,
                "attempts": report.attempts,
                "number": opaque or 0,
                "text": (report.error_text or b"").decode(errors="replace"),
                "at": time.time(),
            }
        )

    def send(self, topic, value=b"v", key=None, partition=-1, timestamp=-1, timeout=0):
        record = Record(
            struct_size=C.sizeof(Record),
            topic=topic.encode(),
            partition=partition,
            key=key,
            key_len=len(key or b""),
            value=value,
            value_len=len(value or b""),
            timestamp_ms=timestamp,
            delivery_timeout_ms=timeout,
        )
        self.sent += 1
        return LIBRARY.producer_send(self.handle, C.byref(record), self._on_report_pointer, self.sent)

    def poll(self, timeout_ms=0):
        return LIBRARY.producer_poll(self.handle, timeout_ms)

    def flush(self, timeout_ms):
        return status_name(LIBRARY.producer_flush(self.handle, timeout_ms))

    def close(self, timeout_ms=1000):
        return status_name(LIBRARY.producer_close(self.handle, timeout_ms))

    def init_transactions(self, timeout_ms):
        return LIBRARY.producer_init_transactions(self.handle, timeout_ms)

    def begin_transaction(self):
        return LIBRARY.producer_begin_transaction(self.handle)

    def commit_transaction(self, timeout_ms):
        return LIBRARY.producer_commit_transaction(self.handle, timeout_ms)

    def abort_transaction(self, timeout_ms):
        return LIBRARY.producer_abort_transaction(self.handle, timeout_ms)

    @staticmethod
    def error():
        return LIBRARY.producer_last_error().decode()

    def health(self):
        """The state's number and its sentence."""
        health = Health(C.sizeof(Health))
        LIBRARY.producer_health(self.handle, C.byref(health))
        return health.state, health.text.decode()

    def stats(self):
        text = C.c_void_p()
        assert LIBRARY.producer_stats_json(self.handle, C.byref(text)) == 0
        parsed = json.loads(C.string_at(text.value).decode())
        LIBRARY.producer_string_free(text)
        return parsed

    def counts(self):
        """How many reports there are of each status."""
        counts = {}
        for report in self.reports:
            counts[report["status"]] = counts.get(report["status"], 0) + 1
        return counts
