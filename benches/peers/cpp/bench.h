// What the driver (src/) and the subjects in C++ share. The Rust side is src/job.rs: keep both alike.
#ifndef WSENGINE_BENCH_H
#define WSENGINE_BENCH_H

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

enum BenchKind {
    BENCH_RECEIVE = 0,   // frames in, messages out
    BENCH_ECHO = 1,      // the same, and each message sent back
    BENCH_HANDSHAKE = 2, // a request in, an answer out
    BENCH_BROADCAST = 3, // one message to many connections
    BENCH_DEFLATE = 4,   // an echo with permessage-deflate
    BENCH_IDLE = 5,      // connections that are held: their memory is measured
};

struct BenchJob {
    int kind;
    int text;     // the messages are text
    int takeover; // BENCH_DEFLATE: both sides refer to earlier messages
    const uint8_t *input; // frames of a client; BENCH_IDLE: what each connection echoes, or nothing
    size_t input_len;
    size_t input_messages;
    size_t read_size; // the most that one read gives
    const uint8_t *request; // a handshake
    size_t request_len;
    const uint8_t *payload; // BENCH_BROADCAST
    size_t payload_len;
    size_t count; // handshakes or connections
};

// What came out. `inspect` is set in the untimed run that compares every byte.
struct BenchTally {
    uint64_t messages;
    uint64_t bytes;
    uint64_t checksum;
    uint64_t out_bytes;
    void (*inspect_message)(void *context, const uint8_t *data, size_t len);
    void (*inspect_output)(void *context, const uint8_t *data, size_t len);
    void *context;
    uint8_t *send_buffer; // 64 KiB: the kernel's side of send(); NULL where sending is not part of the job
};

constexpr size_t BENCH_READ = 65536;

// copy.cc
extern "C" void bench_copy_long(void *to, const void *from, size_t n);

static inline void bench_copy(void *to, const void *from, size_t n) {
    if (n < 2048) memcpy(to, from, n);
    else bench_copy_long(to, from, n);
}

static inline void bench_keep(const void *p) { asm volatile("" : : "r"(p) : "memory"); }

static inline void bench_message(BenchTally *t, const void *data, size_t len) {
    auto *p = (const uint8_t *) data;
    t->messages += 1;
    t->bytes += len;
    t->checksum += len ? (uint64_t) p[0] + ((uint64_t) p[len - 1] << 8) + ((uint64_t) p[len / 2] << 16) : 0;
    if (__builtin_expect(t->inspect_message != nullptr, 0)) t->inspect_message(t->context, p, len);
    bench_keep(p);
}

// send(): one copy, of at most 64 KiB at a time into memory that stays where it is.
static inline void bench_send(BenchTally *t, const void *data, size_t len) {
    auto *p = (const uint8_t *) data;
    t->out_bytes += len;
    if (__builtin_expect(t->inspect_output != nullptr, 0)) t->inspect_output(t->context, p, len);
    bench_keep(p);
    if (!t->send_buffer) return;
    while (len) {
        size_t n = len < BENCH_READ ? len : BENCH_READ;
        bench_copy(t->send_buffer, p, n);
        bench_keep(t->send_buffer);
        p += n;
        len -= n;
    }
}

// The simulated recv(): copies the next read's bytes to `to`.
struct BenchReader {
    const uint8_t *at, *end;
    size_t read_size;

    explicit BenchReader(const BenchJob &job) : at(job.input), end(job.input + job.input_len), read_size(job.read_size) {}

    bool at_end() const { return at == end; }

    size_t read(void *to, size_t room) {
        size_t n = (size_t)(end - at);
        if (n > read_size) n = read_size;
        if (n > room) n = room;
        bench_copy(to, at, n);
        bench_keep(to);
        at += n;
        return n;
    }
};

// A tally for what is done while a run is made.
static inline BenchTally bench_no_tally() {
    BenchTally tally{};
    return tally;
}

// A subject: `make` gives NULL for what it cannot do.
struct BenchSubject {
    const char *name;
    void *(*make)(const BenchJob *job);
    void (*pass)(void *run, BenchTally *tally);
    void (*drop)(void *run);
};

// A run in C++, behind the functions above.
struct BenchRun {
    virtual ~BenchRun() = default;
    virtual void pass(BenchTally *tally) = 0;
};

#define BENCH_SUBJECT(symbol, title, make_function)                                                      \
    extern "C" __attribute__((visibility("default"))) const BenchSubject symbol = {                      \
        title, [](const BenchJob *job) -> void * { return static_cast<BenchRun *>(make_function(*job)); }, \
        [](void *run, BenchTally *tally) { static_cast<BenchRun *>(run)->pass(tally); },                 \
        [](void *run) { delete static_cast<BenchRun *>(run); }};

// A bug of the bench or of a subject; the figures would mean nothing.
[[noreturn]] static inline void bench_fail(const char *subject, const char *what) {
    std::fprintf(stderr, "%s: %s\n", subject, what);
    std::abort();
}

#endif
