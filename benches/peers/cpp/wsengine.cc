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
    while ((count = ws_conn_output(conn, out, 64)) > 0) {
        size_t total = 0;
        for (int i = 0; i < count; i++) {
            bench_send(tally, out[i].iov_base, out[i].iov_len);
            total += out[i].iov_len;
        }
        check(ws_conn_output_consume(conn, total) == WS_OK, "output_consume");
    }
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

inline void take(ws_conn *conn, const ws_event &event, bool echo, BenchTally *tally) {
    check(event.type == WS_EVENT_TEXT || event.type == WS_EVENT_BINARY, "an event that is no message");
    bench_message(tally, event.data, event.len);
    if (!echo) return;
    ws_status status = event.type == WS_EVENT_TEXT ? ws_conn_queue_text(conn, event.data, event.len)
                                                   : ws_conn_queue_binary(conn, event.data, event.len);
    check(status == WS_OK, "queue");
}

inline void pull_one_by_one(ws_conn *conn, bool echo, BenchTally *tally) {
    ws_event event;
    while (ws_conn_next_event(conn, &event) == WS_OK) take(conn, event, echo, tally);
}

#ifdef WS_HAS_FEED_MUT
inline void pull_batches(ws_conn *conn, bool echo, BenchTally *tally) {
    ws_event events[64];
    size_t count;
    while (ws_conn_next_events(conn, events, 64, &count) == WS_OK) {
        for (size_t i = 0; i < count; i++) take(conn, events[i], echo, tally);
    }
}
#endif

struct Host {
    std::vector<char> buffer = std::vector<char>(BENCH_READ);

    template <Input input>
    void serve(ws_conn *conn, const BenchJob &job, bool echo, BenchTally *tally) {
        BenchReader reader(job);
        for (;;) {
            if constexpr (input == Input::Feed) {
                size_t n = reader.read(buffer.data(), buffer.size());
                if (!n) return;
                check(ws_conn_feed(conn, buffer.data(), n) == WS_OK, "feed");
                pull_one_by_one(conn, echo, tally);
            }
#ifdef WS_HAS_FEED_MUT
            if constexpr (input == Input::FeedMut || input == Input::FeedMutMany) {
                size_t n = reader.read(buffer.data(), buffer.size());
                if (!n) return;
                check(ws_conn_feed_mut(conn, buffer.data(), n) == WS_OK, "feed_mut");
                if constexpr (input == Input::FeedMut) pull_one_by_one(conn, echo, tally);
                else pull_batches(conn, echo, tally);
            }
            if constexpr (input == Input::Lent) {
                void *lent;
                size_t room;
                check(ws_conn_recv_buffer(conn, 0, &lent, &room) == WS_OK, "recv_buffer");
                size_t n = reader.read(lent, room);
                check(ws_conn_commit(conn, n) == WS_OK, "commit");
                if (!n) return;
                pull_batches(conn, echo, tally);
            }
#endif
            if (echo) send_all(conn, tally);
        }
    }
};

BenchTally no_tally() {
    static uint8_t sent[BENCH_READ];
    BenchTally tally{};
    tally.send_buffer = sent;
    return tally;
}

template <Input input>
struct Messages : BenchRun {
    BenchJob job;
    ws_engine *engine;
    ws_conn *conn;
    Host host;

    explicit Messages(const BenchJob &job) : job(job), engine(make_engine(job)) {
        BenchTally tally = no_tally();
        conn = open(engine, job, &tally);
    }

    ~Messages() override {
        ws_conn_free(conn);
        ws_engine_free(engine);
    }

    void pass(BenchTally *tally) override { host.serve<input>(conn, job, job.kind != BENCH_RECEIVE, tally); }
};

template <Input input>
BenchRun *make(const BenchJob &job) {
    switch (job.kind) {
        case BENCH_RECEIVE:
        case BENCH_ECHO:
        case BENCH_DEFLATE: return new Messages<input>(job);
        default: return nullptr;
    }
}

} // namespace

BENCH_SUBJECT(subject_wsengine_feed, "wsengine C feed", make<Input::Feed>)
#ifdef WS_HAS_FEED_MUT
BENCH_SUBJECT(subject_wsengine_feed_mut, "wsengine C feed_mut", make<Input::FeedMut>)
BENCH_SUBJECT(subject_wsengine_feed_mut_batch, "wsengine C feed_mut batch", make<Input::FeedMutMany>)
BENCH_SUBJECT(subject_wsengine_recv_buffer, "wsengine C recv_buffer", make<Input::Lent>)
#endif
