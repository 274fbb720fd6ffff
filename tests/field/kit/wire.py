"""Kafka's protocol, as far as the fake cluster speaks it."""

import struct

PRODUCE, METADATA, SASL_HANDSHAKE, API_VERSIONS, INIT_PRODUCER_ID, SASL_AUTHENTICATE = 0, 3, 17, 18, 22, 36

# The first flexible version of each request.
FLEXIBLE_FROM = {PRODUCE: 9, METADATA: 9, API_VERSIONS: 3, INIT_PRODUCER_ID: 2, SASL_AUTHENTICATE: 2}


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, count):
        taken = self.data[self.at : self.at + count]
        self.at += count
        return taken

    def unpack(self, form):
        return struct.unpack(form, self.take(struct.calcsize(form)))[0]

    def int8(self):
        return self.unpack(">b")

    def int16(self):
        return self.unpack(">h")

    def int32(self):
        return self.unpack(">i")

    def unsigned_varint(self):
        number = shift = 0
        while True:
            byte = self.data[self.at]
            self.at += 1
            number |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return number

    def varint(self):
        number = self.unsigned_varint()
        return (number >> 1) ^ -(number & 1)

    def varint_bytes(self):
        length = self.varint()
        return None if length < 0 else self.take(length)

    def string(self, flexible):
        length = self.unsigned_varint() - 1 if flexible else self.int16()
        return None if length < 0 else self.take(length).decode()

    def bytes(self, flexible):
        length = self.count(flexible)
        return None if length < 0 else self.take(length)

    def count(self, flexible):
        return self.unsigned_varint() - 1 if flexible else self.int32()

    def tags(self, flexible):
        for _ in range(self.unsigned_varint() if flexible else 0):
            self.unsigned_varint()
            self.take(self.unsigned_varint())


def int8(number):
    return struct.pack(">b", number)


def int16(number):
    return struct.pack(">h", number)


def int32(number):
    return struct.pack(">i", number)


def int64(number):
    return struct.pack(">q", number)


def unsigned_varint(number):
    out = b""
    while number >= 128:
        out += bytes([number & 127 | 128])
        number >>= 7
    return out + bytes([number])


def string(text, flexible=False):
    """`text` is a str, bytes (any bytes) or None."""
    if text is None:
        return b"\0" if flexible else int16(-1)
    data = text.encode() if isinstance(text, str) else text
    return (unsigned_varint(len(data) + 1) if flexible else int16(len(data))) + data


def array(items, flexible=False):
    return (unsigned_varint(len(items) + 1) if flexible else int32(len(items))) + b"".join(items)


def tags(flexible):
    return b"\0" if flexible else b""


class Batch:
    """A record batch, format 2. `records` is a list of (timestamp, key, value), or None when they are compressed."""

    def __init__(self, raw):
        fields = struct.unpack(">qiibIhiqqqhii", raw[:61])
        self.length = 12 + fields[1]
        self.attributes, first_timestamp = fields[5], fields[7]
        self.producer_id, self.producer_epoch, self.base_sequence, self.count = fields[9:13]
        self.records = None
        if self.attributes & 7 == 0:
            reader = Reader(raw[61 : self.length])
            self.records = [self.read_record(reader, first_timestamp) for _ in range(self.count)]

    @staticmethod
    def read_record(reader, first_timestamp):
        reader.varint()  # Length.
        reader.int8()  # Attributes.
        timestamp = first_timestamp + reader.varint()
        reader.varint()  # Offset.
        key, value = reader.varint_bytes(), reader.varint_bytes()
        for _ in range(reader.varint()):
            reader.varint_bytes()
            reader.varint_bytes()
        return timestamp, key, value


def batches(raw):
    found, at = [], 0
    while at < len(raw):
        found.append(Batch(raw[at:]))
        at += found[-1].length
    return found
