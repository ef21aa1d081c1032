// uWebSockets' protocol core: WebSocketProtocol.h, with what WebSocketContext.h does around it (gathering fragments,
// checking UTF-8, corking output), and without its sockets. Its sources come with the crate libuwebsockets-sys.
#include "bench.h"

#include <memory>
#include <string>
#include <vector>

#include <libusockets.h>
// Reads are of 64 KiB here. Its fast unmasking is for reads that fill its buffer: so that is 64 KiB too.
#undef LIBUS_RECV_BUFFER_LENGTH
#define LIBUS_RECV_BUFFER_LENGTH 65536
#include <PerMessageDeflate.h>
#include <WebSocketHandshake.h>
#include <WebSocketProtocol.h>
#include <optional>
#include <HttpParser.h>

namespace {

constexpr size_t MAX_PAYLOAD = 16 << 20;

// What all connections of a loop share: the receive buffer with its padding, the cork buffer, zlib's memory.
struct Loop {
    std::vector<char> received = std::vector<char>(LIBUS_RECV_BUFFER_LENGTH + 2 * LIBUS_RECV_BUFFER_PADDING);
    std::vector<char> cork = std::vector<char>(2 * BENCH_READ);
    size_t corked = 0;
    uWS::ZlibContext zlib;
    uWS::DeflationStream deflation{uWS::CompressOptions(15 << 4 | 8)};
    uWS::InflationStream inflation{uWS::CompressOptions(15 << 8)};

    char *buffer() { return received.data() + LIBUS_RECV_BUFFER_PADDING; }
};

// As WebSocketData is, AsyncSocketData and the header of a poll left out.
struct Connection : uWS::WebSocketState<true> {
    std::string backpressure;
    std::string fragments;
    unsigned int control_tip = 0;
    bool shutting_down = false;
    bool timed_out = false;
    enum : char { PLAIN, ENABLED, COMPRESSED_FRAME } compression = PLAIN;
    uWS::DeflationStream *deflation = nullptr;
    uWS::InflationStream *inflation = nullptr;
    void *subscriber = nullptr;

    ~Connection() {
        delete deflation;
        delete inflation;
    }
};

// The part of WebSocketContext that the protocol calls.
struct Context {
    Loop *loop;
    BenchTally *tally;
    bool echo;
    bool compress;

    static Context *of(void *user) { return (Context *) user; }

    void uncork() {
        if (loop->corked) bench_send(tally, loop->cork.data(), loop->corked);
        loop->corked = 0;
    }

    char *room(size_t size) {
        if (loop->corked + size > loop->cork.size()) uncork();
        if (size > loop->cork.size()) loop->cork.resize(size);
        return loop->cork.data() + loop->corked;
    }

    void send(Connection *conn, std::string_view message, uWS::OpCode opcode) {
        if (compress) {
            bool own = conn->deflation != nullptr;
            message = (own ? conn->deflation : &loop->deflation)->deflate(&loop->zlib, message, !own);
        }
        char *to = room(uWS::protocol::messageFrameSize(message.size()));
        loop->corked += uWS::protocol::formatMessage<true>(to, message.data(), message.size(), opcode, message.size(),
                                                            compress, true);
    }

    bool deliver(Connection *conn, char *data, size_t length, int opcode) {
        if (conn->compression == Connection::COMPRESSED_FRAME) {
            conn->compression = Connection::ENABLED;
            bool own = conn->inflation != nullptr;
            auto inflated = (own ? conn->inflation : &loop->inflation)->inflate(&loop->zlib, {data, length}, MAX_PAYLOAD, !own);
            if (!inflated) return false;
            data = (char *) inflated->data();
            length = inflated->length();
        }
        if (opcode == uWS::TEXT && !uWS::protocol::isValidUtf8((unsigned char *) data, length)) return false;
        bench_message(tally, data, length);
        if (echo) send(conn, {data, length}, (uWS::OpCode) opcode);
        return true;
    }
};

struct Impl {
    static bool setCompressed(uWS::WebSocketState<true> *state, void *) {
        auto *conn = static_cast<Connection *>(state);
        if (conn->compression != Connection::ENABLED) return false;
        conn->compression = Connection::COMPRESSED_FRAME;
        return true;
    }

    static void forceClose(uWS::WebSocketState<true> *, void *, std::string_view = {}) {
        bench_fail("uWebSockets", "the stream was refused");
    }

    static bool refusePayloadLength(uint64_t length, uWS::WebSocketState<true> *, void *) { return length > MAX_PAYLOAD; }

    static bool handleFragment(char *data, size_t length, unsigned int remaining, int opcode, bool fin,
                               uWS::WebSocketState<true> *state, void *user) {
        auto *conn = static_cast<Connection *>(state);
        auto *context = Context::of(user);
        if (opcode >= 3) return true; // no control frames here
        if (!remaining && fin && !conn->fragments.length()) {
            if (!context->deliver(conn, data, length, opcode)) forceClose(state, user);
            return false;
        }
        if (!conn->fragments.length()) conn->fragments.reserve(length + remaining);
        conn->fragments.append(data, length);
        if (!remaining && fin) {
            size_t total = conn->fragments.length();
            if (conn->compression == Connection::COMPRESSED_FRAME) conn->fragments.append("123456789");
            if (!context->deliver(conn, conn->fragments.data(), total, opcode)) forceClose(state, user);
            conn->fragments.clear();
        }
        return false;
    }
};

using Protocol = uWS::WebSocketProtocol<true, Impl>;

void consume_all(const BenchJob &job, Context &context, Connection &conn) {
    BenchReader reader(job);
    char *buffer = context.loop->buffer();
    while (size_t n = reader.read(buffer, LIBUS_RECV_BUFFER_LENGTH)) {
        Protocol::consume(buffer, (unsigned int) n, &conn, &context);
        context.uncork();
    }
}

struct Messages : BenchRun {
    BenchJob job;
    Loop loop;
    Connection conn;

    explicit Messages(const BenchJob &job) : job(job) {
        if (job.kind != BENCH_DEFLATE) return;
        conn.compression = Connection::ENABLED;
        if (!job.takeover) return; // the shared streams
        conn.deflation = new uWS::DeflationStream(uWS::CompressOptions(15 << 4 | 8));
        conn.inflation = new uWS::InflationStream(uWS::CompressOptions(15 << 8));
    }

    void pass(BenchTally *tally) override {
        Context context{&loop, tally, job.kind != BENCH_RECEIVE, job.kind == BENCH_DEFLATE};
        consume_all(job, context, conn);
    }
};

BenchRun *make(const BenchJob &job) {
    switch (job.kind) {
        case BENCH_RECEIVE:
        case BENCH_ECHO:
        case BENCH_DEFLATE: return new Messages(job);
        default: return nullptr;
    }
}

} // namespace

BENCH_SUBJECT(subject_uwebsockets, "uWebSockets", make)
