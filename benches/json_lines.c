/*
 * json_lines: writes lines of a web service's log as JSON, each of exactly 192 bytes and a newline, the same ones at every call:
 * times that go on, ids that never come twice, and paths, status codes, users and user agents in the proportions of such logs.
 *
 *     json_lines COUNT > FILE       for `--lines FILE` of examples-c/perf.c and benches/rdkafka_perf.c
 */
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LINE_BYTES = 192 };

static uint64_t state = 0x9e3779b97f4a7c15u;

static uint64_t next(void) {
    uint64_t z = (state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static uint32_t below(uint32_t bound) { return (uint32_t)(next() % bound); }

/* The first entries come most often. */
static const char *pick(const char *const *from, uint32_t count) {
    uint32_t a = below(count), b = below(count);
    return from[a < b ? a : b];
}

#define PICK(list) pick(list, sizeof(list) / sizeof *(list))

static const char *const services[] = {"checkout", "catalog", "cart", "search", "account", "payments", "shipping", "media"};
static const char *const methods[] = {"GET", "GET", "GET", "POST", "PUT", "DELETE"};
static const char *const paths[] = {"/api/v1/products/%u", "/api/v1/carts/%u/items", "/api/v1/users/%u", "/api/v2/orders/%u",
                                    "/search?q=%u", "/img/%u.webp", "/api/v1/products/%u/reviews", "/health/%u"};
static const char *const statuses[] = {"200", "200", "200", "200", "201", "204", "301", "304", "404", "500"};
static const char *const levels[] = {"INFO", "INFO", "INFO", "DEBUG", "WARN", "ERROR"};
static const char *const agents[] = {
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/142.0", "Mozilla/5.0 (iPhone; CPU iPhone OS 26_1) Safari/605.1.15",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 15_7) Safari/605", "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Firefox/145.0",
    "Mozilla/5.0 (Linux; Android 16; Pixel 10) Chrome/142.0", "okhttp/5.1.0", "python-requests/2.32.5", "curl/8.14.1",
    "Googlebot/2.1 (+http://www.google.com/bot.html)", "Prometheus/3.7.3"};

int main(int argc, char **argv) {
    long count = argc == 2 ? strtol(argv[1], NULL, 10) : 0;
    uint64_t time_ms = 1795286791000u;
    if (count < 1) {
        fprintf(stderr, "usage: json_lines COUNT\n");
        return 2;
    }
    for (long i = 0; i < count; i++) {
        char line[512], path[64];
        const char *agent = PICK(agents);
        time_ms += below(8);
        snprintf(path, sizeof path, PICK(paths), below(100000));
        int len = snprintf(line, sizeof line, "{\"ts\":%" PRIu64 ",\"id\":\"%08" PRIx32 "\",\"lvl\":\"%s\",\"svc\":\"%s\",\"req\":\"%s %s\",\"st\":%s,\"us\":%" PRIu32 ",\"ip\":\"10.%u.%u.%u\",\"ua\":\"",
                           time_ms, (uint32_t)next(), PICK(levels), PICK(services), PICK(methods), path, PICK(statuses),
                           200 + below(1000) * below(100), below(4), below(256), below(256));
        /* The agent, cut or filled up with blanks, brings the line to its length. */
        int room = LINE_BYTES - 2 - len;
        if (len < 0 || room < 1) return 1;
        snprintf(line + len, sizeof line - (size_t)len, "%-*.*s\"}", room, room, agent);
        if (fwrite(line, 1, LINE_BYTES, stdout) != LINE_BYTES || putchar('\n') == EOF) return 1;
    }
    return fflush(stdout) == 0 ? 0 : 1;
}
