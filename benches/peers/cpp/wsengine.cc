// wsengine through its C ABI, as a server in C++ calls it: this file is a shared object of its own, linked with
// libwsengine.so, so that every call goes through the dynamic linker's table.
#include "bench.h"

#include <vector>
#include <ws_engine.h>

namespace {

void check(bool ok, const char *what) {
    if (!ok) bench_fail("wsengine", what);
}

// How the bytes of a read get to the engine, and the events out.
enum class Input {
    Feed,        // copied: ws_conn_feed()
    FeedMut,     // in place: ws_conn_feed_mut(), one event at a time
    FeedMutMany, // in place, events in batches: ws_conn_next_events()
    Lent,        // received into the engine's memory: ws_conn_recv_buffer(), events in batches
};

ws_engine *make_engine(const BenchJob &job) {
    ws_config *config = ws_config_new();
    ws_config_set_origin_policy(config, WS_ORIGIN_ANY);
    ws_config_set_max_message_size(config, 16 << 20);
    ws_config_set_max_frame_size(config, 16 << 20);
    ws_config_set_outgoing_utf8_check(config, 0); // what is sent is text that was received
    if (job.kind == BENCH_DEFLATE) {
        ws_config_set_compression(config, 1);
        ws_config_set_compression_threshold(config, 0);
        ws_config_set_compression_mem_level(config, 8);
        ws_config_set_context_takeover(config, job.takeover, job.takeover);
    }
    ws_engine *engine = ws_engine_new(config);
    ws_config_free(config);
    return engine;
}

// One send() of everything that waits, gathered.
void send_all(ws_conn *conn, BenchTally *tally) {
    struct iovec out[64];
    int count;
    do {
        count = ws_conn_output(conn, out, 64);
        size_t total = 0;
        for (int i = 0; i < count; i++) {
            bench_send(tally, out[i].iov_base, out[i].iov_len);
            total += out[i].iov_len;
        }
        check(ws_conn_output_consume(conn, total) == WS_OK, "output_consume");
    } while (count == 64);
}

ws_conn *open(ws_engine *engine, const BenchJob &job, BenchTally *tally) {
    ws_conn *conn = ws_conn_new_server(engine);
    ws_event event;
    check(ws_conn_feed(conn, job.request, job.request_len) == WS_OK, "feed of the request");
    check(ws_conn_next_event(conn, &event) == WS_OK && event.type == WS_EVENT_OPEN, "no opening");
    check(ws_conn_next_event(conn, &event) == WS_AGAIN, "more than an opening");
    send_all(conn, tally);
    return conn;
}

// From this size on a host that can write at once saves the copy into the queue: it writes the payload itself, behind
// the header that the engine gives it.
constexpr size_t WRITTEN_BY_HOST = 8 * 1024;

void write_frame(ws_conn *conn, const ws_event &event, BenchTally *tally) {
    unsigned char header[WS_MAX_HEADER_LEN];
    size_t len;
    if (ws_conn_queued_bytes(conn)) send_all(conn, tally);
    int type = event.type == WS_EVENT_TEXT ? WS_MESSAGE_TEXT : WS_MESSAGE_BINARY;
    check(ws_conn_begin_frame(conn, type, event.len, header, &len) == WS_OK, "begin_frame");
    bench_send(tally, header, len); // one writev() with what follows
    bench_send(tally, event.data, event.len);
    check(ws_conn_end_frame(conn) == WS_OK, "end_frame");
}

inline void take(ws_conn *conn, const ws_event &event, bool echo, BenchTally *tally) {
    if (event.type != WS_EVENT_TEXT && event.type != WS_EVENT_BINARY) {
        check(event.type == WS_EVENT_WRITABLE, "an event that is no message");
        return;
    }
    bench_message(tally, event.data, event.len);
    if (!echo) return;
    if (event.len >= WRITTEN_BY_HOST) return write_frame(conn, event, tally);
    ws_status status = event.type == WS_EVENT_TEXT ? ws_conn_queue_text(conn, event.data, event.len)
                                                   : ws_conn_queue_binary(conn, event.data, event.len);
    check(status == WS_OK, "queue");
}

inline void pull_one_by_one(ws_conn *conn, bool echo, BenchTally *tally) {
    ws_event event;
    while (ws_conn_next_event(conn, &event) == WS_OK) take(conn, event, echo, tally);
}

inline void pull_batches(ws_conn *conn, bool echo, BenchTally *tally) {
    ws_event events[64];
    size_t count;
    while (ws_conn_next_events(conn, events, 64, &count) == WS_OK) {
        for (size_t i = 0; i < count; i++) take(conn, events[i], echo, tally);
    }
}

struct Host {
    std::vector<char> buffer = std::vector<char>(BENCH_READ);

    // One read, given to the engine.
    template <Input input>
    void give(ws_conn *conn, BenchReader &reader) {
        size_t n = 0;
        if constexpr (input == Input::Feed) {
            n = reader.read(buffer.data(), buffer.size());
            check(ws_conn_feed(conn, buffer.data(), n) == WS_OK, "feed");
        }
        if constexpr (input == Input::FeedMut || input == Input::FeedMutMany) {
            n = reader.read(buffer.data(), buffer.size());
            check(ws_conn_feed_mut(conn, buffer.data(), n) == WS_OK, "feed_mut");
        }
        if constexpr (input == Input::Lent) {
            void *lent;
            size_t room;
            check(ws_conn_recv_buffer(conn, 0, &lent, &room) == WS_OK, "recv_buffer");
            n = reader.read(lent, room);
            check(ws_conn_commit(conn, n) == WS_OK, "commit");
        }
    }

    template <Input input>
    void serve(ws_conn *conn, const BenchJob &job, bool echo, BenchTally *tally) {
        BenchReader reader(job);
        while (!reader.at_end()) {
            give<input>(conn, reader);
            if constexpr (input == Input::FeedMutMany || input == Input::Lent) pull_batches(conn, echo, tally);
            else pull_one_by_one(conn, echo, tally);
            if (echo) send_all(conn, tally);
        }
    }
};

template <Input input>
struct Messages : BenchRun {
    BenchJob job;
    ws_engine *engine;
    ws_conn *conn;
    Host host;

    explicit Messages(const BenchJob &job) : job(job), engine(make_engine(job)) {
        BenchTally tally = bench_no_tally();
        conn = open(engine, job, &tally);
    }

    ~Messages() override {
        ws_conn_free(conn);
        ws_engine_free(engine);
    }

    void pass(BenchTally *tally) override { host.serve<input>(conn, job, job.kind != BENCH_RECEIVE, tally); }
};

// New connections, opened and freed. The read goes in as every other does.
template <Input input>
struct Handshakes : BenchRun {
    BenchJob job;
    ws_engine *engine;
    Host host;

    explicit Handshakes(const BenchJob &job) : job(job), engine(make_engine(job)) {}
    ~Handshakes() override { ws_engine_free(engine); }

    void pass(BenchTally *tally) override {
        BenchJob one = job;
        one.input = job.request;
        one.input_len = job.request_len;
        for (size_t i = 0; i < job.count; i++) {
            ws_conn *conn = ws_conn_new_server(engine);
            BenchReader reader(one);
            host.give<input>(conn, reader);
            ws_event event;
            check(ws_conn_next_event(conn, &event) == WS_OK && event.type == WS_EVENT_OPEN, "no opening");
            tally->messages += 1;
            check(ws_conn_next_event(conn, &event) == WS_AGAIN, "more than an opening");
            send_all(conn, tally);
            ws_conn_free(conn);
        }
    }
};

// Connections that were opened, each with its place in memory as a host would keep it.
struct Connections {
    ws_engine *engine;
    std::vector<ws_conn *> conns;

    explicit Connections(const BenchJob &job) : engine(make_engine(job)) {
        BenchTally tally = bench_no_tally();
        conns.reserve(job.count);
        for (size_t i = 0; i < job.count; i++) conns.push_back(open(engine, job, &tally));
    }

    ~Connections() {
        for (ws_conn *conn : conns) ws_conn_free(conn);
        ws_engine_free(engine);
    }
};

// A message that is prepared once, queued everywhere, and taken by each connection's writev().
struct Broadcast : BenchRun {
    BenchJob job;
    Connections all;

    explicit Broadcast(const BenchJob &job) : job(job), all(job) {}

    void pass(BenchTally *tally) override {
        ws_prepared *prepared;
        check(ws_prepared_new(WS_MESSAGE_BINARY, job.payload, job.payload_len, &prepared) == WS_OK, "prepared_new");
        for (ws_conn *conn : all.conns) {
            check(ws_conn_queue_prepared(conn, prepared) == WS_OK, "queue_prepared");
            send_all(conn, tally);
        }
        ws_prepared_free(prepared);
    }
};

// The same, of some hundred connections at a time.
struct BroadcastMany : BenchRun {
    BenchJob job;
    Connections all;

    explicit BroadcastMany(const BenchJob &job) : job(job), all(job) {}

    void pass(BenchTally *tally) override {
        ws_prepared *prepared;
        constexpr size_t MANY = 256;
        ws_recipient to[MANY];
        check(ws_prepared_new(WS_MESSAGE_BINARY, job.payload, job.payload_len, &prepared) == WS_OK, "prepared_new");
        for (size_t at = 0; at < all.conns.size();) {
            size_t count = 0;
            while (count < MANY && at < all.conns.size()) to[count++].conn = all.conns[at++];
            check(ws_conns_queue_prepared(to, count, prepared) == WS_OK, "conns_queue_prepared");
            for (size_t i = 0; i < count; i++) {
                check(!to[i].more, "more than a slice");
                bench_send(tally, to[i].slice.iov_base, to[i].slice.iov_len);
                to[i].written = to[i].slice.iov_len;
            }
            check(ws_conns_output_consume(to, count) == WS_OK, "conns_output_consume");
        }
        ws_prepared_free(prepared);
    }
};

template <Input input>
struct Idle : BenchRun {
    Connections all;

    explicit Idle(const BenchJob &job) : all(job) {
        Host host;
        BenchTally tally = bench_no_tally();
        for (ws_conn *conn : all.conns) host.serve<input>(conn, job, true, &tally);
    }

    void pass(BenchTally *) override {}
};

template <Input input>
BenchRun *make(const BenchJob &job) {
    constexpr bool plain = input == Input::Feed;
    switch (job.kind) {
        case BENCH_RECEIVE:
        case BENCH_ECHO:
        case BENCH_DEFLATE: return new Messages<input>(job);
        case BENCH_HANDSHAKE: return new Handshakes<input>(job);
        case BENCH_BROADCAST: // no input: one by one under the name of one way, in batches under that of another
            if (input == Input::FeedMutMany) return new BroadcastMany(job);
            return plain ? new Broadcast(job) : nullptr;
        case BENCH_IDLE: return new Idle<input>(job);
        default: return nullptr;
    }
}

} // namespace

BENCH_SUBJECT(subject_wsengine_feed, "wsengine C feed", make<Input::Feed>)
BENCH_SUBJECT(subject_wsengine_feed_mut, "wsengine C feed_mut", make<Input::FeedMut>)
BENCH_SUBJECT(subject_wsengine_feed_mut_batch, "wsengine C feed_mut batch", make<Input::FeedMutMany>)
BENCH_SUBJECT(subject_wsengine_recv_buffer, "wsengine C recv_buffer", make<Input::Lent>)
