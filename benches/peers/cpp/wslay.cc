// wslay's event API with its own buffering, over callbacks on memory. It has no handshake and no compression.
#include "bench.h"

#include <memory>
#include <vector>
#include <wslay/wslay.h>

namespace {

struct Connection {
    wslay_event_context_ptr context = nullptr;
    BenchReader *reader = nullptr; // during a pass
    BenchTally *tally = nullptr;
    bool echo = false;

    Connection() {
        static const wslay_event_callbacks callbacks = {
            receive, send, nullptr, nullptr, nullptr, nullptr, deliver,
        };
        if (wslay_event_context_server_init(&context, &callbacks, this) != 0) bench_fail("wslay", "server_init");
        wslay_event_config_set_max_recv_msg_length(context, 16 << 20);
    }

    ~Connection() { wslay_event_context_free(context); }

    static ssize_t receive(wslay_event_context_ptr context, uint8_t *to, size_t room, int, void *user) {
        size_t n = ((Connection *) user)->reader->read(to, room);
        if (n == 0) wslay_event_set_error(context, WSLAY_ERR_WOULDBLOCK);
        return n ? (ssize_t) n : -1;
    }

    static ssize_t send(wslay_event_context_ptr, const uint8_t *data, size_t len, int, void *user) {
        bench_send(((Connection *) user)->tally, data, len);
        return (ssize_t) len;
    }

    static void deliver(wslay_event_context_ptr context, const wslay_event_on_msg_recv_arg *message, void *user) {
        auto *conn = (Connection *) user;
        bench_message(conn->tally, message->msg, message->msg_length);
        if (conn->echo) conn->queue(message->opcode, message->msg, message->msg_length);
    }

    void queue(uint8_t opcode, const uint8_t *data, size_t len) {
        wslay_event_msg message = {opcode, data, len};
        if (wslay_event_queue_msg(context, &message) != 0) bench_fail("wslay", "queue_msg");
    }

    void send_all() {
        if (wslay_event_send(context) != 0) bench_fail("wslay", "send");
    }

    void serve(const BenchJob &job, bool with_echo, BenchTally *to) {
        BenchReader reader_here(job);
        reader = &reader_here;
        tally = to;
        echo = with_echo;
        while (!reader_here.at_end()) {
            if (wslay_event_recv(context) != 0) bench_fail("wslay", "recv");
            if (echo) send_all();
        }
    }
};

struct Messages : BenchRun {
    BenchJob job;
    Connection conn;

    explicit Messages(const BenchJob &job) : job(job) {}
    void pass(BenchTally *tally) override { conn.serve(job, job.kind == BENCH_ECHO, tally); }
};

struct Broadcast : BenchRun {
    BenchJob job;
    std::vector<std::unique_ptr<Connection>> conns;

    explicit Broadcast(const BenchJob &job) : job(job) {
        for (size_t i = 0; i < job.count; i++) conns.push_back(std::make_unique<Connection>());
    }

    void pass(BenchTally *tally) override {
        for (auto &conn : conns) {
            conn->tally = tally;
            conn->queue(WSLAY_BINARY_FRAME, job.payload, job.payload_len);
            conn->send_all();
        }
    }
};

struct Idle : BenchRun {
    std::vector<std::unique_ptr<Connection>> conns;

    explicit Idle(const BenchJob &job) {
        BenchTally tally = bench_no_tally();
        conns.reserve(job.count);
        for (size_t i = 0; i < job.count; i++) {
            conns.push_back(std::make_unique<Connection>());
            conns.back()->serve(job, true, &tally);
        }
    }

    void pass(BenchTally *) override {}
};

BenchRun *make(const BenchJob &job) {
    switch (job.kind) {
        case BENCH_RECEIVE:
        case BENCH_ECHO: return new Messages(job);
        case BENCH_BROADCAST: return new Broadcast(job);
        case BENCH_IDLE: return new Idle(job);
        default: return nullptr;
    }
}

} // namespace

BENCH_SUBJECT(subject_wslay, "wslay", make)
