#!/usr/bin/env python3
"""Records per second from Python's ctypes, through producer_send_flat and producer_poll_reports.

    benches/python_ctypes.py [--library PATH] [--brokers HOST:PORT] [--count N] [--at-once N] [--value-len N] [--keys]

Needs nothing but Python 3. Without --brokers the library starts a mock cluster in this process, which shares its processors.
Every record is sent, acknowledged and its report taken before the clock stops. The last line is "records/s: N".
"""
import argparse
import ctypes
import sys
import time
from ctypes import POINTER, Structure, byref, c_char_p, c_int32, c_int64, c_size_t, c_void_p

OK, QUEUE_FULL, REPORTS_NOT_TAKEN = 0, -103, -104
QUEUE_REPORT = 2  # PRODUCER_QUEUE_REPORT


class Report(Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("status", c_int32),
        ("topic", c_char_p),
        ("partition", c_int32),
        ("offset", c_int64),
        ("timestamp_ms", c_int64),
        ("timestamp_type", c_int32),
        ("key_len", c_int64),
        ("value_len", c_int64),
        ("persisted", c_int32),
        ("phase", c_int32),
        ("broker_id", c_int32),
        ("attempts", c_int32),
        ("latency_us", c_int64),
        ("opaque", c_void_p),
        ("error_text", c_char_p),
        ("record_count", c_int32),
    ]


class FlatRecords(Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("topic", c_char_p),
        ("topic_handle", c_void_p),
        ("count", c_size_t),
        ("values", c_char_p),
        ("values_len", c_size_t),
        ("value_lens", POINTER(c_int32)),
        ("keys", c_char_p),
        ("keys_len", c_size_t),
        ("key_lens", POINTER(c_int32)),
        ("partitions", POINTER(c_int32)),
        ("timestamps_ms", POINTER(c_int64)),
        ("callback", c_void_p),
        ("opaques", c_void_p),
        ("first_opaque", c_size_t),
    ]


def load(path):
    library = ctypes.CDLL(path)
    library.producer_status_name.restype = c_char_p
    library.producer_last_error.restype = c_char_p
    library.producer_send_flat.argtypes = [c_void_p, POINTER(FlatRecords), c_void_p, POINTER(c_size_t)]
    library.producer_poll_reports.argtypes = [c_void_p, POINTER(Report), c_size_t, c_int32]
    library.producer_wait_capacity.argtypes = [c_void_p, c_size_t, c_int32]
    library.producer_config_set.argtypes = [c_void_p, c_char_p, c_char_p]
    library.producer_new.argtypes = [c_void_p, POINTER(c_void_p)]
    library.producer_config_free.argtypes = [c_void_p]
    library.producer_close.argtypes = [c_void_p, c_int32]
    return library


class Failed(Exception):
    pass


class Producer:
    def __init__(self, library, properties):
        self.library = library
        config, handle = c_void_p(), c_void_p()
        self.must(library.producer_config_new(byref(config)))
        try:
            for name, value in properties.items():
                self.must(library.producer_config_set(config, name.encode(), str(value).encode()))
            self.must(library.producer_new(config, byref(handle)))
        finally:
            library.producer_config_free(config)
        self.handle = handle

    def must(self, status):
        if status != OK:
            name = self.library.producer_status_name(status).decode()
            raise Failed(f"{name}: {self.library.producer_last_error().decode()}")

    def close(self):
        self.must(self.library.producer_close(self.handle, 10_000))


def run(producer, count, at_once, value_len, keys):
    library = producer.library
    values = bytes(value_len * at_once)
    flat = FlatRecords(struct_size=ctypes.sizeof(FlatRecords), topic=b"ctypes", values=values, callback=QUEUE_REPORT)
    flat.value_lens = (c_int32 * at_once)(*[value_len] * at_once)
    if keys:
        flat.keys = b"".join(b"%08d" % number for number in range(at_once))
        flat.key_lens = (c_int32 * at_once)(*[8] * at_once)
    reports = (Report * at_once)()
    reports[0].struct_size = ctypes.sizeof(Report)
    accepted = c_size_t()
    sent = heard = largest = failed = 0

    def take(timeout_ms):
        nonlocal heard, failed, largest
        taken = library.producer_poll_reports(producer.handle, reports, at_once, timeout_ms)
        if taken < 0:
            producer.must(taken)
        heard += taken
        if taken:
            # One report of each call is looked at: a binding makes objects of failures, and few programs want more.
            last = reports[taken - 1]
            failed += last.status != OK
            largest = max(largest, last.opaque or 0)
        return taken

    began = time.perf_counter()
    while sent < count:
        some = min(at_once, count - sent)
        flat.count, flat.values_len, flat.first_opaque = some, some * value_len, sent
        flat.keys_len = some * 8 if keys else 0
        status = library.producer_send_flat(producer.handle, byref(flat), None, byref(accepted))
        sent += accepted.value
        if status == QUEUE_FULL:
            producer.must(library.producer_wait_capacity(producer.handle, len(values), 10_000))
        elif status != REPORTS_NOT_TAKEN:
            producer.must(status)
        take(0)
    while heard < count:
        if take(10_000) == 0:
            raise Failed(f"{heard} of {count} reports came within 10 s")
    seconds = time.perf_counter() - began
    if failed or largest >= count or take(0) != 0:
        raise Failed(f"{failed} looked at had failed, the largest opaque is {largest}")
    return count / seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--library", default="target/release/libkproducer.so")
    parser.add_argument("--brokers", default="")
    parser.add_argument("--count", type=int, default=5_000_000)
    parser.add_argument("--at-once", type=int, default=1_000)
    parser.add_argument("--value-len", type=int, default=100)
    parser.add_argument("--keys", action="store_true")
    options = parser.parse_args()
    if min(options.count, options.at_once, options.value_len) < 1:
        parser.error("counts and lengths are 1 or more")

    properties = {"max.block.ms": 0}
    properties.update({"bootstrap.servers": options.brokers} if options.brokers else {"test.mock.num.brokers": 1})
    try:
        producer = Producer(load(options.library), properties)
        run(producer, min(options.count, 100_000), options.at_once, options.value_len, options.keys)  # warm
        rate = run(producer, options.count, options.at_once, options.value_len, options.keys)
        producer.close()
    except (Failed, OSError) as error:
        sys.exit(f"python_ctypes: {error}")
    print(f"{options.count} records of {options.value_len} bytes, {options.at_once} a call, Python {sys.version.split()[0]}")
    print(f"records/s: {rate:.0f}")


if __name__ == "__main__":
    main()
