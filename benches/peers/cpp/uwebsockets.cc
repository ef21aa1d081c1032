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

    // As WebSocket::send(): nothing of a connection that is closing, and behind what waits already.
    void send(Connection *conn, std::string_view message, uWS::OpCode opcode) {
        if (conn->shutting_down || conn->backpressure.length()) bench_fail("uWebSockets", "backpressure");
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

// HttpParser, the answer that HttpResponse::upgrade() writes, and a connection that is made and freed.
struct Handshakes : BenchRun {
    BenchJob job;
    Loop loop;

    explicit Handshakes(const BenchJob &job) : job(job) {}

    void pass(BenchTally *tally) override {
        Context context{&loop, tally, false, false};
        for (size_t i = 0; i < job.count; i++) {
            memcpy(loop.buffer(), job.request, job.request_len);
            bench_keep(loop.buffer());
            uWS::HttpParser parser; // one for each connection
            Connection *conn = nullptr;
            parser.consumePostPadded(
                loop.buffer(), (unsigned int) job.request_len, &context, nullptr,
                [&](void *user, uWS::HttpRequest *request) -> void * {
                    std::string_view key = request->getHeader("sec-websocket-key");
                    if (request->getHeader("upgrade") != "websocket" || key.length() != 24) return nullptr;
                    answer(context, key);
                    conn = new Connection;
                    return user;
                },
                [](void *user, std::string_view, bool) -> void * { return user; });
            if (!conn) bench_fail("uWebSockets", "the request was refused");
            tally->messages += 1;
            context.uncork();
            delete conn;
        }
    }

    static void write(Context &context, std::string_view text) {
        memcpy(context.room(text.size()), text.data(), text.size());
        context.loop->corked += text.size();
    }

    static void header(Context &context, std::string_view name, std::string_view value) {
        write(context, name);
        write(context, ": ");
        write(context, value);
        write(context, "\r\n");
    }

    static void answer(Context &context, std::string_view key) {
        char accept[29] = {};
        uWS::WebSocketHandshake::generate(key.data(), accept);
        write(context, "HTTP/1.1 ");
        write(context, "101 Switching Protocols");
        write(context, "\r\n");
        header(context, "Upgrade", "websocket");
        header(context, "Connection", "Upgrade");
        header(context, "Sec-WebSocket-Accept", accept);
        write(context, "\r\n");
    }
};

// Each connection's frame is formatted into the cork buffer, as publishing does.
struct Broadcast : BenchRun {
    BenchJob job;
    Loop loop;
    std::vector<std::unique_ptr<Connection>> conns;

    explicit Broadcast(const BenchJob &job) : job(job) {
        for (size_t i = 0; i < job.count; i++) conns.push_back(std::make_unique<Connection>());
    }

    void pass(BenchTally *tally) override {
        Context context{&loop, tally, false, false};
        for (auto &conn : conns) {
            context.send(conn.get(), {(const char *) job.payload, job.payload_len}, uWS::BINARY);
            context.uncork();
        }
    }
};

struct Idle : BenchRun {
    std::vector<std::unique_ptr<Connection>> conns;

    explicit Idle(const BenchJob &job) {
        Loop loop;
        BenchTally tally = bench_no_tally();
        Context context{&loop, &tally, true, false};
        conns.reserve(job.count);
        for (size_t i = 0; i < job.count; i++) {
            conns.push_back(std::make_unique<Connection>());
            consume_all(job, context, *conns.back());
        }
    }

    void pass(BenchTally *) override {}
};

BenchRun *make(const BenchJob &job) {
    switch (job.kind) {
        case BENCH_RECEIVE:
        case BENCH_ECHO:
        case BENCH_DEFLATE: return new Messages(job);
        case BENCH_HANDSHAKE: return new Handshakes(job);
        case BENCH_BROADCAST: return new Broadcast(job);
        case BENCH_IDLE: return new Idle(job);
        default: return nullptr;
    }
}

} // namespace

BENCH_SUBJECT(subject_uwebsockets, "uWebSockets", make)
