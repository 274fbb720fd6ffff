/*
 * ack_broker: a broker that only acknowledges. One thread, epoll, no log: it answers ApiVersions, Metadata and Produce,
 * walks through a produce request just far enough to answer each partition with the next offset, and skips the records.
 * So what a client's benchmark measures against it is the client.
 *
 *     ack_broker [--port N] [--partitions N]      prints "listening on 127.0.0.1:PORT" and runs until killed
 *
 * SIGUSR1 makes it print "received R records in B bytes" of batches, and count from 0 again.
 *
 * Every topic exists, with the given number of partitions, led by this broker. Produce versions 7 to 12 (the flexible
 * ones from 9), ApiVersions 0 to 3, Metadata 0 to 12, InitProducerId 0 to 4.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PRODUCE = 0, FETCH = 1, METADATA = 3, FIND_COORDINATOR = 10, API_VERSIONS = 18, INIT_PRODUCER_ID = 22 };

#define FRAME_MAX (64u << 20)
#define INPUT_MIN (1u << 20)
#define CONNECTIONS_MAX 1024
#define TOPICS_MAX 256
#define PARTITIONS_MAX 100000

struct buffer {
    unsigned char *bytes;
    size_t len, capacity;
};

struct connection {
    int fd;
    struct buffer in, out;
    size_t in_start, out_start; /* what lies before is done with */
    bool waits_for_output;
};

struct topic {
    char name[256];
    size_t name_len;
    int64_t *next_offset;
};

static struct connection *connections[CONNECTIONS_MAX];
static struct topic topics[TOPICS_MAX];
static size_t topic_count;
static int32_t partition_count = 1;
static uint16_t port;
static int epoll_fd;
static uint64_t records_received, bytes_received;
static volatile sig_atomic_t is_asked;

static void die(const char *what) {
    perror(what);
    exit(1);
}

static void reserve(struct buffer *b, size_t more) {
    if (b->len + more <= b->capacity) return;
    size_t capacity = b->capacity ? b->capacity : 4096;
    while (capacity < b->len + more) capacity *= 2;
    unsigned char *bytes = realloc(b->bytes, capacity);
    if (bytes == NULL) die("realloc");
    b->bytes = bytes;
    b->capacity = capacity;
}

/* ---- writing ---- */

static void put(struct buffer *b, const void *bytes, size_t len) {
    reserve(b, len);
    if (len > 0) memcpy(b->bytes + b->len, bytes, len);
    b->len += len;
}

static void put_int(struct buffer *b, uint64_t value, unsigned width) {
    unsigned char big_endian[8];
    for (unsigned i = 0; i < width; i++) big_endian[i] = (unsigned char)(value >> (8 * (width - 1 - i)));
    put(b, big_endian, width);
}

static void put_uvarint(struct buffer *b, uint32_t value) {
    for (; value >= 0x80; value >>= 7) put_int(b, (value & 0x7f) | 0x80, 1);
    put_int(b, value, 1);
}

/* Arrays, strings and tags have two forms: of the flexible versions, and of those before. */
static void put_array(struct buffer *b, bool flexible, uint32_t count) {
    if (flexible) put_uvarint(b, count + 1);
    else put_int(b, count, 4);
}

static void put_string(struct buffer *b, bool flexible, const char *s, size_t len) {
    if (flexible) put_uvarint(b, (uint32_t)len + 1);
    else put_int(b, len, 2);
    put(b, s, len);
}

static void put_null_string(struct buffer *b, bool flexible) {
    put_int(b, flexible ? 0 : 0xffff, flexible ? 1 : 2);
}

static void put_tags(struct buffer *b, bool flexible) {
    if (flexible) put_int(b, 0, 1);
}

/* ---- reading: past the end everything reads as zero, and `bad` is set ---- */

struct reader {
    const unsigned char *at, *end;
    bool bad;
};

static void skip(struct reader *r, size_t len) {
    if ((size_t)(r->end - r->at) < len) {
        r->bad = true;
        r->at = r->end;
    } else r->at += len;
}

static int64_t get_int(struct reader *r, unsigned width) {
    uint64_t value = 0;
    if ((size_t)(r->end - r->at) < width) {
        skip(r, width);
        return 0;
    }
    for (unsigned i = 0; i < width; i++) value = value << 8 | *r->at++;
    unsigned shift = 64 - 8 * width;
    return (int64_t)(value << shift) >> shift;
}

static uint32_t get_uvarint(struct reader *r) {
    uint32_t value = 0;
    for (unsigned shift = 0; shift < 35; shift += 7) {
        unsigned char byte = (unsigned char)get_int(r, 1);
        value |= (uint32_t)(byte & 0x7f) << shift;
        if (byte < 0x80) return value;
    }
    r->bad = true;
    return 0;
}

/* A length or a count; null is -1. */
static int64_t get_len(struct reader *r, bool flexible, unsigned width) {
    return flexible ? (int64_t)get_uvarint(r) - 1 : get_int(r, width);
}

static const char *get_string(struct reader *r, bool flexible, size_t *len) {
    int64_t n = get_len(r, flexible, 2);
    const char *s = (const char *)r->at;
    *len = n > 0 ? (size_t)n : 0;
    skip(r, *len);
    if (r->bad) *len = 0;
    return s;
}

static void skip_tags(struct reader *r, bool flexible) {
    if (!flexible) return;
    for (uint32_t n = get_uvarint(r); n > 0 && !r->bad; n--) {
        get_uvarint(r);
        skip(r, get_uvarint(r));
    }
}

static struct topic *topic_of(const char *name, size_t len) {
    for (size_t i = 0; i < topic_count; i++)
        if (topics[i].name_len == len && memcmp(topics[i].name, name, len) == 0) return &topics[i];
    if (topic_count == TOPICS_MAX || len == 0 || len >= sizeof topics[0].name) return NULL;
    struct topic *t = &topics[topic_count];
    memcpy(t->name, name, len);
    t->name_len = len;
    t->next_offset = calloc((size_t)partition_count, sizeof *t->next_offset);
    if (t->next_offset == NULL) die("calloc");
    topic_count++;
    return t;
}

/* ---- the requests ---- */

static void api_versions(struct buffer *out, int16_t version) {
    /* librdkafka writes today's record batches only to a broker that has Fetch 4, and lz4 only to one that has FindCoordinator;
     * nobody here sends either. */
    static const int16_t supported[][3] = {{PRODUCE, 7, 12},      {FETCH, 4, 11},       {METADATA, 0, 12},
                                           {FIND_COORDINATOR, 0, 2}, {API_VERSIONS, 0, 3}, {INIT_PRODUCER_ID, 0, 4}};
    const int count = sizeof supported / sizeof *supported;
    bool too_new = version > 3, flexible = version == 3;
    put_int(out, too_new ? 35 : 0, 2);
    put_array(out, flexible, (uint32_t)count);
    for (int i = 0; i < count; i++) {
        for (int j = 0; j < 3; j++) put_int(out, (uint16_t)supported[i][j], 2);
        put_tags(out, flexible);
    }
    if (version >= 1 && !too_new) put_int(out, 0, 4); /* throttle time */
    put_tags(out, flexible);
}

/* A producer id for idempotent clients. Sequences are not looked at. */
static void init_producer_id(struct buffer *out, int16_t version) {
    static uint64_t next_id = 1000;
    put_int(out, 0, 4); /* throttle time */
    put_int(out, 0, 2);
    put_int(out, next_id++, 8);
    put_int(out, 0, 2); /* epoch */
    put_tags(out, version >= 2);
}

static void put_metadata_topic(struct buffer *out, int16_t version, const char *name, size_t len) {
    static const unsigned char no_id[16];
    bool flexible = version >= 9;
    const struct topic *t = topic_of(name, len);
    int32_t count = t ? partition_count : 0;
    put_int(out, t ? 0 : 17, 2); /* INVALID_TOPIC_EXCEPTION */
    put_string(out, flexible, name, len);
    if (version >= 10) put(out, no_id, 16);
    if (version >= 1) put_int(out, 0, 1); /* not internal */
    put_array(out, flexible, (uint32_t)count);
    for (int32_t p = 0; p < count; p++) {
        put_int(out, 0, 2);
        put_int(out, (uint32_t)p, 4);
        put_int(out, 1, 4);                    /* leader */
        if (version >= 7) put_int(out, 0, 4);  /* leader epoch */
        for (int list = 0; list < 2; list++) { /* replicas, in sync */
            put_array(out, flexible, 1);
            put_int(out, 1, 4);
        }
        if (version >= 5) put_array(out, flexible, 0); /* offline */
        put_tags(out, flexible);
    }
    if (version >= 8) put_int(out, 0x80000000u, 4); /* authorized operations: not asked for */
    put_tags(out, flexible);
}

static void metadata(struct reader *r, struct buffer *out, int16_t version) {
    bool flexible = version >= 9;
    if (version >= 3) put_int(out, 0, 4); /* throttle time */
    put_array(out, flexible, 1);
    put_int(out, 1, 4);
    put_string(out, flexible, "127.0.0.1", 9);
    put_int(out, port, 4);
    if (version >= 1) put_null_string(out, flexible); /* rack */
    put_tags(out, flexible);
    if (version >= 2) put_string(out, flexible, "ack-broker", 10);
    if (version >= 1) put_int(out, 1, 4); /* controller */
    int64_t count = get_len(r, flexible, 4);
    if (count < 0 || (version == 0 && count == 0)) { /* all topics */
        put_array(out, flexible, (uint32_t)topic_count);
        for (size_t i = 0; i < topic_count; i++) put_metadata_topic(out, version, topics[i].name, topics[i].name_len);
    } else {
        put_array(out, flexible, (uint32_t)count);
        for (int64_t i = 0; i < count && !r->bad; i++) {
            size_t len;
            if (version >= 10) skip(r, 16);
            const char *name = get_string(r, flexible, &len);
            skip_tags(r, flexible);
            put_metadata_topic(out, version, name, len);
        }
    }
    if (version >= 8 && version <= 10) put_int(out, 0x80000000u, 4);
    put_tags(out, flexible);
}

/* How many records a batch of format v2 holds, from its header; 0 if it is cut short. */
static int64_t record_count(const unsigned char *records, int64_t len) {
    struct reader r = {records, records + (len > 0 ? len : 0), false};
    skip(&r, 57);
    int64_t count = get_int(&r, 4);
    return r.bad || count < 0 ? 0 : count;
}

/* Answers whether the client waits for a response (acks=0 does not). */
static bool produce(struct reader *r, struct buffer *out, int16_t version) {
    bool flexible = version >= 9;
    size_t len;
    get_string(r, flexible, &len); /* transactional id */
    int16_t acks = (int16_t)get_int(r, 2);
    skip(r, 4); /* timeout */
    int64_t topics_here = get_len(r, flexible, 4);
    put_array(out, flexible, (uint32_t)(topics_here > 0 ? topics_here : 0));
    for (int64_t i = 0; i < topics_here && !r->bad; i++) {
        const char *name = get_string(r, flexible, &len);
        struct topic *t = topic_of(name, len);
        int64_t partitions_here = get_len(r, flexible, 4);
        put_string(out, flexible, name, len);
        put_array(out, flexible, (uint32_t)(partitions_here > 0 ? partitions_here : 0));
        for (int64_t j = 0; j < partitions_here && !r->bad; j++) {
            int32_t p = (int32_t)get_int(r, 4);
            int64_t bytes = get_len(r, flexible, 4), base = -1;
            const unsigned char *records = r->at;
            skip(r, bytes > 0 ? (size_t)bytes : 0);
            skip_tags(r, flexible);
            bool known = t != NULL && p >= 0 && p < partition_count;
            if (known && !r->bad) {
                base = t->next_offset[p];
                int64_t count = record_count(records, bytes);
                t->next_offset[p] += count;
                records_received += (uint64_t)count;
                bytes_received += (uint64_t)(bytes > 0 ? bytes : 0);
            }
            put_int(out, (uint32_t)p, 4);
            put_int(out, known ? 0 : 3, 2); /* UNKNOWN_TOPIC_OR_PARTITION */
            put_int(out, (uint64_t)base, 8);
            put_int(out, UINT64_MAX, 8); /* log append time: the producer's timestamps stand */
            put_int(out, 0, 8);          /* log start */
            if (version >= 8) {
                put_array(out, flexible, 0);      /* record errors */
                put_null_string(out, flexible);   /* error message */
            }
            put_tags(out, flexible);
        }
        skip_tags(r, flexible);
        put_tags(out, flexible);
    }
    put_int(out, 0, 4); /* throttle time */
    put_tags(out, flexible);
    return acks != 0;
}

/* Answers one frame (without its length); false: the client talks nonsense. */
static bool handle(const unsigned char *frame, size_t len, struct buffer *out) {
    struct reader r = {frame, frame + len, false};
    size_t start = out->len, ignored;
    int16_t key = (int16_t)get_int(&r, 2), version = (int16_t)get_int(&r, 2);
    uint32_t correlation = (uint32_t)get_int(&r, 4);
    bool flexible = version >= (key == API_VERSIONS ? 3 : key == INIT_PRODUCER_ID ? 2 : 9);
    bool answered = true;
    get_string(&r, false, &ignored); /* client id */
    skip_tags(&r, flexible);
    put_int(out, 0, 4); /* the length, filled in below */
    put_int(out, correlation, 4);
    if (key != API_VERSIONS) put_tags(out, flexible); /* ApiVersions keeps the old response header */
    if (key == API_VERSIONS) api_versions(out, version), r.bad = false;
    else if (key == METADATA && version <= 12) metadata(&r, out, version);
    else if (key == PRODUCE && version >= 7 && version <= 12) answered = produce(&r, out, version);
    else if (key == INIT_PRODUCER_ID && version <= 4) init_producer_id(out, version);
    else return false;
    if (r.bad) return false;
    if (!answered) out->len = start;
    else {
        uint32_t body = (uint32_t)(out->len - start - 4);
        for (int i = 0; i < 4; i++) out->bytes[start + (size_t)i] = (unsigned char)(body >> (24 - 8 * i));
    }
    return true;
}

/* ---- sockets ---- */

static void hang_up(struct connection *c) {
    close(c->fd);
    connections[c->fd] = NULL;
    free(c->in.bytes);
    free(c->out.bytes);
    free(c);
}

static bool write_out(struct connection *c) {
    while (c->out_start < c->out.len) {
        ssize_t n = send(c->fd, c->out.bytes + c->out_start, c->out.len - c->out_start, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && errno != EAGAIN) return false;
        if (n < 0) break;
        c->out_start += (size_t)n;
    }
    bool wait = c->out_start < c->out.len;
    if (!wait) c->out_start = c->out.len = 0;
    if (wait != c->waits_for_output) {
        struct epoll_event event = {.events = EPOLLIN | (wait ? EPOLLOUT : 0u), .data.fd = c->fd};
        c->waits_for_output = wait;
        if (epoll_ctl(epoll_fd, EPOLL_CTL_MOD, c->fd, &event) < 0) die("epoll_ctl");
    }
    return true;
}

/* Answers every whole frame; what is left of the last one moves to the front. */
static bool read_in(struct connection *c) {
    struct buffer *in = &c->in;
    reserve(in, INPUT_MIN);
    ssize_t n = recv(c->fd, in->bytes + in->len, in->capacity - in->len, 0);
    if (n < 0) return errno == EAGAIN || errno == EINTR;
    if (n == 0) return false;
    in->len += (size_t)n;
    while (in->len - c->in_start >= 4) {
        struct reader r = {in->bytes + c->in_start, in->bytes + in->len, false};
        uint32_t len = (uint32_t)get_int(&r, 4);
        if (len > FRAME_MAX) return false;
        if (in->len - c->in_start - 4 < len) {
            if (c->in_start > 0) { /* the rest of a long frame needs room */
                memmove(in->bytes, in->bytes + c->in_start, in->len - c->in_start);
                in->len -= c->in_start;
                c->in_start = 0;
            }
            if (in->capacity < (size_t)len + 4 + INPUT_MIN) reserve(in, (size_t)len + 4 + INPUT_MIN - in->len);
            break;
        }
        if (!handle(r.at, len, &c->out)) return false;
        c->in_start += 4 + len;
    }
    if (c->in_start == in->len) c->in_start = in->len = 0;
    return write_out(c);
}

static void accept_one(int listener) {
    int on = 1, fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) return;
    if (fd >= CONNECTIONS_MAX) {
        close(fd);
        return;
    }
    struct connection *c = calloc(1, sizeof *c);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    if (c == NULL) die("calloc");
    c->fd = fd;
    connections[fd] = c;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0) die("epoll_ctl");
}

static int listen_on(uint16_t wanted) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(wanted), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    int on = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (listener < 0) die("socket");
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) < 0) die("bind");
    if (listen(listener, 128) < 0) die("listen");
    if (getsockname(listener, (struct sockaddr *)&address, &len) < 0) die("getsockname");
    port = ntohs(address.sin_port);
    return listener;
}

static void on_asked(int signal_number) {
    (void)signal_number;
    is_asked = 1;
}

static void answer_asked(void) {
    is_asked = 0;
    printf("received %" PRIu64 " records in %" PRIu64 " bytes\n", records_received, bytes_received);
    fflush(stdout);
    records_received = bytes_received = 0;
}

int main(int argc, char **argv) {
    long wanted_port = 0;
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--port") == 0) wanted_port = strtol(argv[i + 1], NULL, 10);
        else if (strcmp(argv[i], "--partitions") == 0) partition_count = (int32_t)strtol(argv[i + 1], NULL, 10);
        else argc = 0;
    }
    if (argc % 2 == 0 || wanted_port < 0 || wanted_port > 65535 || partition_count < 1 || partition_count > PARTITIONS_MAX) {
        fprintf(stderr, "usage: ack_broker [--port N] [--partitions N]\n");
        return 2;
    }
    struct sigaction action = {.sa_handler = on_asked}; /* without SA_RESTART: epoll_wait shall return */
    if (sigaction(SIGUSR1, &action, NULL) < 0) die("sigaction");
    int listener = listen_on((uint16_t)wanted_port);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = listener}, ready[64];
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (epoll_fd < 0 || epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listener, &event) < 0) die("epoll");
    printf("listening on 127.0.0.1:%" PRIu16 "\n", port);
    fflush(stdout);
    for (;;) {
        int n = epoll_wait(epoll_fd, ready, 64, -1);
        if (n < 0 && errno != EINTR) die("epoll_wait");
        if (is_asked) answer_asked();
        for (int i = 0; i < n; i++) {
            int fd = ready[i].data.fd;
            if (fd == listener) {
                accept_one(listener);
                continue;
            }
            struct connection *c = connections[fd];
            if (c == NULL) continue;
            bool alive = true;
            if (ready[i].events & EPOLLOUT) alive = write_out(c);
            if (alive && (ready[i].events & (EPOLLIN | EPOLLERR | EPOLLHUP))) alive = read_in(c);
            if (!alive) hang_up(c);
        }
    }
}
