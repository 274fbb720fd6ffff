"""A fake Kafka cluster: a few brokers in this process, whose answers a case replaces one by one."""

import os
import socket
import struct
import sys
import threading
import time
import traceback

from . import wire
from .wire import API_VERSIONS, INIT_PRODUCER_ID, METADATA, PRODUCE, array, int8, int16, int32, int64, string, tags

UNKNOWN_TOPIC_OR_PARTITION, NOT_LEADER_OR_FOLLOWER, UNSUPPORTED_VERSION = 3, 6, 35
NO_AUTHORIZED_OPERATIONS = int32(-(1 << 31))
CLOSE = "close"


class Cluster:
    """Brokers 1 to `nodes` on 127.0.0.1.

    `topics`: name -> {"id": 16 bytes, "error": code, "partitions": {index: [leader, leader epoch, error]}}.
    `requests`: a dict for each request ("time", "node", "api", "version", "size", and what is in it).
    `on`: api -> function(node, request), which may return the answer's body, CLOSE (hang up), "silent" (no answer), or None
    (the usual answer). That of PRODUCE may return {(topic, partition): (code, [(record, text)], text)} instead. `on["size"]`
    gets (node, size) of each request before it is read; `on["connection"]` (node, socket) of each connection. A function may
    also write to request["connection"] itself, with `frame`, and return "silent".
    """

    def __init__(self, nodes=1, versions=None, advertise=None, ssl_context=None):
        self.lock = threading.RLock()
        self.versions = {PRODUCE: (7, 8), METADATA: (7, 8), API_VERSIONS: (0, 3), INIT_PRODUCER_ID: (1, 1)}
        self.versions.update({wire.SASL_HANDSHAKE: (1, 1), wire.SASL_AUTHENTICATE: (0, 1)})
        self.versions.update(versions or {})
        self.topics, self.logs, self.offsets = {}, {}, {}
        self.requests, self.on, self.throttle = [], {}, 0
        self.creates_topics = False
        self.producer_ids = 1000
        self.ssl_context = ssl_context
        self.ports = {}
        self.advertise = advertise or (lambda node: ("127.0.0.1", self.ports[node]))
        for node in range(1, nodes + 1):
            self.listen(node)

    def listen(self, node):
        listener = socket.socket()
        listener.bind(("127.0.0.1", 0))
        listener.listen(64)
        self.ports[node] = listener.getsockname()[1]
        threading.Thread(target=self._accept, args=(node, listener), daemon=True).start()

    def bootstrap(self):
        return ",".join(f"127.0.0.1:{port}" for port in self.ports.values())

    def topic(self, name, partitions=1, leader=1):
        """Makes a topic, or makes it again with a new id."""
        self.topics[name] = {
            "id": os.urandom(16),
            "error": 0,
            "partitions": {index: [leader, 0, 0] for index in range(partitions)},
        }

    def count(self, api, since=0):
        return sum(1 for request in self.requests if request["api"] == api and request["time"] >= since)

    def values(self, topic, partition):
        return [value for _, _, value in self.logs.get((topic, partition), [])]

    def _accept(self, node, listener):
        while True:
            connection, _ = listener.accept()
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._serve, args=(node, connection), daemon=True).start()

    def _serve(self, node, connection):
        try:
            if "connection" in self.on:
                self.on["connection"](node, connection)
            if self.ssl_context:
                connection = self.ssl_context.wrap_socket(connection, server_side=True)
            while self._answer_next(node, connection):
                pass
        except OSError:
            pass  # The client hung up, which cases make it do.
        except Exception:
            traceback.print_exc(file=sys.stderr)
        finally:
            connection.close()

    def _answer_next(self, node, connection):
        (size,) = struct.unpack(">i", read_exactly(connection, 4))
        if "size" in self.on and self.on["size"](node, size) == CLOSE:
            return False
        reader = wire.Reader(read_exactly(connection, size))
        api, version, correlation = reader.int16(), reader.int16(), reader.int32()
        reader.string(False)  # The client's id.
        flexible = wire.FLEXIBLE_FROM.get(api, 99) <= version
        reader.tags(flexible)
        request = {"time": time.time(), "node": node, "api": api, "version": version, "size": size}
        request.update(correlation=correlation, connection=connection)
        body = self.answer(request, reader, flexible)
        if body == CLOSE:
            return False
        if body not in (None, "silent"):
            connection.sendall(frame(correlation, tags(flexible and api != API_VERSIONS) + body))
        return True

    def answer(self, request, reader, flexible):
        known = {
            API_VERSIONS: self._api_versions,
            METADATA: self._metadata,
            INIT_PRODUCER_ID: self._init_producer_id,
            PRODUCE: self._produce,
        }
        api = request["api"]
        hook = self.on.get(api)
        with self.lock:
            self.requests.append(request)
        if api in known:
            return known[api](request, reader, flexible, hook)
        return hook(request["node"], request) if hook else CLOSE

    def _api_versions(self, request, _, flexible, hook):
        bent = hook(request["node"], request) if hook else None
        if bent is not None:
            return bent
        version = request["version"]
        refused = version > self.versions[API_VERSIONS][1]
        if refused:
            version, flexible = 0, False
        rows = [int16(api) + int16(low) + int16(high) + tags(flexible) for api, (low, high) in self.versions.items()]
        throttle = int32(0) if version >= 1 else b""
        return int16(UNSUPPORTED_VERSION if refused else 0) + array(rows, flexible) + throttle + tags(flexible)

    def _metadata(self, request, reader, flexible, hook):
        names = []
        for _ in range(max(reader.count(flexible), 0)):
            if request["version"] >= 10:
                reader.take(16)
            names.append(reader.string(flexible))
            reader.tags(flexible)
        request.update(topics=names, creates=reader.int8() != 0)
        bent = hook(request["node"], request) if hook else None
        if bent is not None:
            return bent
        with self.lock:
            return self.metadata(request["version"], flexible, names, request["creates"])

    def metadata(self, version, flexible, names, creates):
        brokers = []
        for node in sorted(self.ports):
            host, port = self.advertise(node)
            brokers.append(int32(node) + string(host, flexible) + int32(port) + string(None, flexible) + tags(flexible))
        for name in names:
            if name not in self.topics and creates and self.creates_topics:
                self.topic(name)
        return (
            int32(self.throttle)
            + array(brokers, flexible)
            + string("fake", flexible)
            + int32(1)
            + array([self._topic_metadata(version, flexible, name) for name in names], flexible)
            + (NO_AUTHORIZED_OPERATIONS if 8 <= version <= 10 else b"")
            + tags(flexible)
        )

    def _topic_metadata(self, version, flexible, name):
        topic = self.topics.get(name, {"id": bytes(16), "error": UNKNOWN_TOPIC_OR_PARTITION, "partitions": {}})
        partitions = []
        for index, (leader, epoch, error) in sorted(topic["partitions"].items()):
            replicas = array([int32(max(leader, 1))], flexible)
            partitions.append(
                int16(error)
                + int32(index)
                + int32(leader)
                + int32(epoch)
                + replicas
                + replicas
                + array([], flexible)
                + tags(flexible)
            )
        return (
            int16(topic["error"])
            + string(name, flexible)
            + (topic["id"] if version >= 10 else b"")
            + int8(0)
            + array(partitions, flexible)
            + (NO_AUTHORIZED_OPERATIONS if version >= 8 else b"")
            + tags(flexible)
        )

    def _init_producer_id(self, request, reader, flexible, hook):
        request["transactional_id"] = reader.string(flexible)
        bent = hook(request["node"], request) if hook else None
        if bent is not None:
            return bent
        with self.lock:
            self.producer_ids += 1
            return int32(self.throttle) + int16(0) + int64(self.producer_ids) + int16(0) + tags(flexible)

    def _produce(self, request, reader, flexible, hook):
        reader.string(flexible)  # The transactional id.
        acks = reader.int16()
        reader.int32()  # The timeout.
        parts = []
        for _ in range(reader.count(flexible)):
            topic = reader.string(flexible)
            for _ in range(reader.count(flexible)):
                partition, raw = reader.int32(), reader.bytes(flexible)
                reader.tags(flexible)
                parts.append((topic, partition, wire.batches(raw)))
            reader.tags(flexible)
        request.update(acks=acks, parts=parts)
        bent = hook(request["node"], request) if hook else None
        if isinstance(bent, (str, bytes)):
            return bent
        with self.lock:
            results = [self._append(request["node"], part, (bent or {}).get(part[:2])) for part in parts]
        return None if acks == 0 else self._produced(request["version"], flexible, results)

    def _append(self, node, part, bent):
        topic, partition, batches = part
        code, record_errors, text = bent or (0, [], None)
        known = self.topics.get(topic, {"partitions": {}})["partitions"]
        if not bent and partition not in known:
            code = UNKNOWN_TOPIC_OR_PARTITION
        elif not bent and known[partition][0] != node:
            code = NOT_LEADER_OR_FOLLOWER
        offset = -1
        if code == 0:
            offset = self.offsets.get((topic, partition), 0)
            for batch in batches:
                self.logs.setdefault((topic, partition), []).extend(batch.records or [(None, None, None)] * batch.count)
            self.offsets[(topic, partition)] = offset + sum(batch.count for batch in batches)
        return topic, partition, code, offset, record_errors, text

    def _produced(self, version, flexible, results):
        topics = {}
        for topic, partition, code, offset, record_errors, text in results:
            answer = int32(partition) + int16(code) + int64(offset) + int64(-1) + int64(0)
            if version >= 8:
                rows = [int32(at) + string(words, flexible) + tags(flexible) for at, words in record_errors]
                answer += array(rows, flexible) + string(text, flexible)
            topics.setdefault(topic, []).append(answer + tags(flexible))
        rows = [string(topic, flexible) + array(parts, flexible) + tags(flexible) for topic, parts in topics.items()]
        return array(rows, flexible) + int32(self.throttle) + tags(flexible)


def frame(correlation, body):
    return int32(4 + len(body)) + int32(correlation) + body


def read_exactly(connection, count):
    data = bytearray()
    while len(data) < count:
        more = connection.recv(min(1 << 20, count - len(data)))
        if not more:
            raise OSError("the client hung up")
        data += more
    return bytes(data)
