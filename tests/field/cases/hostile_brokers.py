"""Brokers that answer nonsense, each in a process of its own. Whatever they do: the process lives, every record gets one
outcome, closing keeps its time, and their texts become clean lines of bounded length.

    hostile_brokers.py [MODE...]    only these; VERBOSE=1 prints what each run saw
"""

import concurrent.futures
import json
import os
import resource
import struct
import subprocess
import sys
import time

from kit import Cluster, Producer, verdict
from kit.cluster import CLOSE, frame
from kit.wire import API_VERSIONS, INIT_PRODUCER_ID, METADATA, PRODUCE, SASL_AUTHENTICATE, SASL_HANDSHAKE
from kit.wire import array, int8, int16, int32, int64, string

SECONDS, RECORDS, CLOSE_MS, LONGEST_LINE = 3, 3, 2000, 4000
MOST = (1 << 31) - 1
EVIL = "x\n2026-01-01 A LINE THAT IS NOT OURS\x1b[31m\x07"
PLAIN_RANGES = [(PRODUCE, 7, 7), (METADATA, 7, 7), (API_VERSIONS, 0, 3), (INIT_PRODUCER_ID, 1, 1)]
modes = {}


def mode(api, **properties):
    """The decorated function answers the requests of this api: function(cluster, request) as a hook of Cluster."""

    def register(function):
        modes[function.__name__] = (api, function, properties)
        return function

    return register


def metadata(brokers, topics, cluster_id="c", throttle=0):
    """Version 7. `topics`: (error, name, [(error, index, leader, leader epoch)])."""
    rows = [int32(node) + string(host) + int32(port) + string(None) for node, host, port in brokers]
    names = []
    for error, name, partitions in topics:
        parts = [
            int16(code) + int32(index) + int32(leader) + int32(epoch) + int32(0) * 3
            for code, index, leader, epoch in partitions
        ]
        names.append(int16(error) + string(name) + int8(0) + array(parts))
    return int32(throttle) + array(rows) + string(cluster_id) + int32(1) + array(names)


def produced(topics, throttle=0):
    """Version 7. `topics`: (name, [(partition, error, offset, append time, log start)])."""
    rows = []
    for name, partitions in topics:
        parts = [int32(p) + int16(e) + int64(o) + int64(t) + int64(s) for p, e, o, t, s in partitions]
        rows.append(string(name) + array(parts))
    return array(rows) + int32(throttle)


def versions(ranges, version, error=0, tagged=b"\0"):
    if version >= 3:
        rows = b"".join(int16(api) + int16(low) + int16(high) + b"\0" for api, low, high in ranges)
        count = len(ranges) + 1
        varint = b""
        while count >= 128:
            varint += bytes([count & 127 | 128])
            count >>= 7
        return int16(error) + varint + bytes([count]) + rows + int32(0) + tagged
    rows = [int16(api) + int16(low) + int16(high) for api, low, high in ranges]
    return int16(error) + array(rows) + (int32(0) if version >= 1 else b"")


def me(cluster):
    return (1, "127.0.0.1", cluster.ports[1])


ONE_PARTITION = [(0, "t", [(0, 0, 1, 0)])]

# ---- versions --------------------------------------------------------------------------------------------------------


@mode(API_VERSIONS)
def error_35_in_version_3(cluster, request):
    return versions(PLAIN_RANGES, 3, error=35) if request["version"] > 0 else None


@mode(API_VERSIONS)
def error_35_alone(cluster, request):
    return int16(35) if request["version"] > 0 else None


@mode(API_VERSIONS)
def error_35_in_version_2(cluster, request):
    return versions(PLAIN_RANGES, 2, error=35) if request["version"] > 0 else None


@mode(API_VERSIONS)
def error_35_for_ever(cluster, request):
    return versions(PLAIN_RANGES, 0, error=35)


@mode(API_VERSIONS)
def hang_up_at_version_3(cluster, request):
    return CLOSE if request["version"] > 0 else None


@mode(API_VERSIONS)
def version_0_for_version_3(cluster, request):
    return versions(PLAIN_RANGES, 0) if request["version"] > 0 else None


@mode(API_VERSIONS)
def lowest_above_highest(cluster, request):
    return versions([(0, 9, 3), (3, 12, -1), (18, 3, 0)], request["version"])


@mode(API_VERSIONS)
def negative_versions(cluster, request):
    ranges = [(0, -32768, 32767), (3, -32768, 32767), (22, 0, 32767), (18, 0, 3)]
    return versions(ranges, request["version"])


@mode(API_VERSIONS)
def ranges_ten_thousand_times(cluster, request):
    return versions(PLAIN_RANGES * 10000, request["version"])


@mode(API_VERSIONS)
def endless_tags(cluster, request):
    tagged = b"\x80\x80\x80\x80\x08" + b"\0\0" * 400000
    return versions(PLAIN_RANGES, request["version"], tagged=tagged)


@mode(API_VERSIONS)
def versions_never_answered(cluster, request):
    return "silent"


@mode("connection")
def hang_up_at_once(cluster, node, connection):
    connection.close()
    raise OSError


@mode("connection")
def frame_of_two_gigabytes_first(cluster, node, connection):
    connection.sendall(struct.pack(">I", 0x7FFFFFFF))


@mode("connection")
def frame_of_negative_size_first(cluster, node, connection):
    connection.sendall(struct.pack(">I", 0xFFFFFFF0))


@mode("connection")
def answer_that_was_not_asked_for(cluster, node, connection):
    connection.sendall(frame(0, bytes(8)))


# ---- metadata --------------------------------------------------------------------------------------------------------


@mode(METADATA)
def other_correlation(cluster, request):
    request["connection"].sendall(frame(request["correlation"] + 7, metadata([me(cluster)], ONE_PARTITION)))
    return "silent"


@mode(METADATA)
def large_junk(cluster, request):
    return bytes(60_000_000)


@mode(METADATA)
def byte_by_byte(cluster, request):
    data = frame(request["correlation"], metadata([me(cluster)], ONE_PARTITION))
    for at in range(len(data)):
        request["connection"].sendall(data[at : at + 1])
        time.sleep(0.2)
    return "silent"


@mode(METADATA)
def a_million_partitions(cluster, request):
    return metadata([me(cluster)], [(0, "t", [(0, index, 1, 0) for index in range(1_000_000)])])


@mode(METADATA)
def partitions_twice(cluster, request):
    parts = [(0, 0, 1, 0), (0, 0, 1, 0), (0, 0, 99, 5), (0, 1, 1, 0)]
    brokers = [me(cluster), me(cluster), (1, "127.0.0.3", 1)]
    return metadata(brokers, [(0, "t", parts), (0, "t", [(0, 0, 1, 0)])])


@mode(METADATA)
def negative_partitions(cluster, request):
    brokers = [me(cluster), (-5, "x", 1), (-(1 << 31), "y", 2)]
    return metadata(brokers, [(0, "t", [(0, -1, 1, 0), (0, -(1 << 31), 1, 0), (0, MOST, 1, 0), (0, 0, 1, 0)])])


@mode(METADATA)
def other_brokers_each_time(cluster, request):
    first = 2 + 60_000 * cluster.count(METADATA)
    brokers = [me(cluster)] + [(node, "127.0.0.1", 1) for node in range(first, first + 60_000)]
    return metadata(brokers, ONE_PARTITION)


@mode(METADATA)
def sent_to_a_dead_place(cluster, request):
    return metadata([(1, "127.0.0.2", 80), (2, "127.0.0.2", 80)], ONE_PARTITION)


@mode(METADATA)
def control_characters_in_names(cluster, request):
    topics = [(0, "t", [(0, 0, 2, 0)]), (0, EVIL, [(0, 0, 1, 0)])]
    return metadata([me(cluster), (2, EVIL, 9)], topics, cluster_id=EVIL)


@mode(METADATA)
def another_cluster_each_time(cluster, request):
    return metadata([me(cluster)], [(5, "t", [])], cluster_id=f"c{cluster.count(METADATA)}\n" + "Z" * 30000)


@mode(METADATA)
def throttled_for_ever_by_metadata(cluster, request):
    return metadata([me(cluster)], ONE_PARTITION, throttle=MOST)


@mode(METADATA)
def illegal_topic(cluster, request):
    return metadata([me(cluster)], [(17, "t", [])])


@mode(METADATA)
def epoch_that_goes_back(cluster, request):
    epoch = MOST if cluster.count(METADATA) == 1 else 5
    return metadata([me(cluster), (2, "127.0.0.1", cluster.ports[1])], [(0, "t", [(0, 0, 1, epoch)])])


@mode(METADATA)
def random_bytes(cluster, request):
    return os.urandom(300)


# ---- produce ---------------------------------------------------------------------------------------------------------


def produce_mode(name, answer, **properties):
    modes[name] = (PRODUCE, lambda cluster, request: answer(cluster.count(PRODUCE)), properties)


produce_mode("no_partition_answered", lambda n: produced([]))
produce_mode(
    "others_answered", lambda n: produced([("other", [(0, 0, 5, -1, 0)]), ("t", [(7, 0, 5, -1, 0), (-1, 0, 5, -1, 0)])])
)
produce_mode("many_more_answered", lambda n: produced([("t", [(index, 0, 5, -1, 0) for index in range(100000)])]))
produce_mode("negative_offset", lambda n: produced([("t", [(0, 0, -1000, -5, -7)])]))
produce_mode("highest_offset", lambda n: produced([("t", [(0, 0, (1 << 63) - 1, (1 << 63) - 1, (1 << 63) - 1)])]))
produce_mode("throttled_for_ever", lambda n: produced([("t", [(0, 0, n, -1, 0)])], throttle=MOST))
produce_mode("throttled_for_negative_time", lambda n: produced([("t", [(0, 0, n, -1, 0)])], throttle=-MOST - 1))
produce_mode("cut_answer", lambda n: produced([("t", [(0, 0, n, -1, 0)])])[:-3])
produce_mode("endless_count", lambda n: int32(MOST))
produce_mode("answered_twice", lambda n: produced([("t", [(0, 0, n, -1, 0), (0, 6, -1, -1, 0)])]))
produce_mode("unknown_server_error", lambda n: produced([("t", [(0, -1, -1, -1, 0)])]))
produce_mode("unknown_code", lambda n: produced([("t", [(0, 999, -1, -1, 0)])]))
produce_mode("offsets_that_go_back", lambda n: produced([("t", [(0, 0, 1000 - n, -1, 0)])]))
produce_mode("never_the_leader", lambda n: produced([("t", [(0, 6, -1, -1, 0)])]))
produce_mode("corrupt_message", lambda n: produced([("t", [(0, 2, -1, -1, 0)])]))
produce_mode("random_answer", lambda n: os.urandom(200))


@mode(PRODUCE)
def drip_of_an_answer(cluster, request):
    request["connection"].sendall(int32(100000) + int32(request["correlation"]))
    while True:
        request["connection"].sendall(b"\0")
        time.sleep(0.1)


@mode(PRODUCE, versions={PRODUCE: (8, 8)})
def control_characters_in_errors(cluster, request):
    words = string("bad\n2026 A LINE\x1b[31m\x07" + "A" * 32000)
    refused = int32(0) + int16(87) + int64(-1) * 3 + array([int32(0) + words]) + words
    return array([string("t") + array([refused])]) + int32(0)


# ---- producer ids and SASL -------------------------------------------------------------------------------------------


@mode(INIT_PRODUCER_ID, idempotent=True)
def negative_producer_id(cluster, request):
    return int32(0) + int16(0) + int64(-5) + int16(-9)


@mode(INIT_PRODUCER_ID, idempotent=True)
def producer_ids_refused(cluster, request):
    return int32(0) + int16(53) + int64(-1) + int16(-1)


SCRAM = {
    "security.protocol": "SASL_PLAINTEXT",
    "sasl.mechanism": "SCRAM-SHA-256",
    "sasl.username": "u",
    "sasl.password": "p",
}
HANDSHAKE = int16(0) + array([string("SCRAM-SHA-256")])


@mode(SASL_AUTHENTICATE, handshake=HANDSHAKE, config=SCRAM)
def scram_without_end(cluster, request):
    return int16(0) + string(None) + int32(4) + b"r=ab" + int64(0)


@mode(SASL_HANDSHAKE, config=SCRAM)
def mechanisms_of_a_megabyte(cluster, request):
    return int16(33) + array([string("M" * 30000)] * 30)


# ---- one run ---------------------------------------------------------------------------------------------------------


def run(name):
    api, function, settings = modes[name]
    cluster = Cluster(versions={PRODUCE: (7, 7), METADATA: (7, 7), **settings.get("versions", {})})
    cluster.topic("t")
    if "handshake" in settings:
        cluster.on[SASL_HANDSHAKE] = lambda node, request: settings["handshake"]
    if api == "connection":
        cluster.on[api] = lambda node, connection: function(cluster, node, connection)
    else:
        cluster.on[api] = lambda node, request: function(cluster, request)
    properties = {"enable.idempotence": "true" if settings.get("idempotent") else "false", **settings.get("config", {})}
    producer = Producer(
        logs=True,
        bootstrap_servers=cluster.bootstrap(),
        delivery_timeout_ms=2000,
        request_timeout_ms=1000,
        linger_ms=0,
        **properties,
    )
    accepted = sum(producer.send("t", b"hello") == 0 for _ in range(RECORDS))
    end = time.time() + SECONDS
    while time.time() < end and (len(producer.reports) < accepted or name.startswith("throttled")):
        producer.poll(50)
    began = time.time()
    producer.close(CLOSE_MS)
    closed_after = time.time() - began
    own = resource.getrusage(resource.RUSAGE_SELF)
    print(
        json.dumps(
            {
                "accepted": accepted,
                "reports": len(producer.reports),
                "numbers": len({report["number"] for report in producer.reports}),
                "closed_after": closed_after,
                "lines": [line[3] for line in producer.logs],
                "texts": [report["text"] for report in producer.reports],
                "peak_mib": own.ru_maxrss // 1024,
            }
        ),
        flush=True,
    )
    os._exit(0)


def judge(name):
    """What is wrong with a run, and what it saw."""
    done = subprocess.run([sys.executable, __file__, "--run", name], capture_output=True, text=True, timeout=60)
    if done.returncode != 0:
        return f"{name}: ended with {done.returncode}: {done.stderr[-300:]}", None
    saw = json.loads(done.stdout)
    words = saw["lines"] + saw["texts"]
    wrong = []
    if not saw["reports"] == saw["numbers"] == saw["accepted"] == RECORDS:
        wrong.append(f"{saw['accepted']} accepted, {saw['reports']} reports")
    if saw["closed_after"] > CLOSE_MS / 1000 + 1.5:
        wrong.append(f"closed after {saw['closed_after']:.1f} s")
    if any(ord(c) < 32 or ord(c) == 127 for text in words for c in text):
        wrong.append("control characters in a line or a report")
    if max(map(len, words), default=0) > LONGEST_LINE:
        wrong.append(f"a line of {max(map(len, words))} characters")
    if len(saw["lines"]) > 40:
        wrong.append(f"{len(saw['lines'])} log lines")
    return (f"{name}: " + ", ".join(wrong) if wrong else None), saw


if sys.argv[1:2] == ["--run"]:
    run(sys.argv[2])

chosen = sys.argv[1:] or list(modes)
with concurrent.futures.ThreadPoolExecutor(6) as pool:
    results = dict(zip(chosen, pool.map(judge, chosen)))
if os.environ.get("VERBOSE"):
    for name, (_, saw) in results.items():
        print(name, json.dumps(saw, indent=1))
failures = [wrong for wrong, _ in results.values() if wrong]
verdict(not failures, f"{len(chosen)} hostile brokers; " + " | ".join(failures))
