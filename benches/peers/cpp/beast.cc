// Boost.Beast's websocket::stream over a synchronous stream in memory.
#include "bench.h"

#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/websocket.hpp>
#include <boost/beast/websocket/rfc6455.hpp>
#include <memory>
#include <vector>

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace websocket = boost::beast::websocket;
using boost::system::error_code;

namespace {

void check(const error_code &error, const char *what) {
    if (error) bench_fail("Boost.Beast", (what + (": " + error.message())).c_str());
}

// The layer below: reads come from a reader, writes go to a tally; none there: would block.
struct Memory {
    // Beast wants one for its timers, which a synchronous stream does not start.
    typedef asio::io_context::executor_type executor_type;
    executor_type get_executor() {
        static asio::io_context context;
        return context.get_executor();
    }

    BenchReader *reader = nullptr;
    BenchTally *tally = nullptr;

    template <class Buffers>
    size_t read_some(const Buffers &buffers, error_code &error) {
        for (auto it = asio::buffer_sequence_begin(buffers); it != asio::buffer_sequence_end(buffers); ++it) {
            asio::mutable_buffer buffer(*it);
            if (buffer.size() == 0) continue;
            size_t n = reader->read(buffer.data(), buffer.size());
            error = n ? error_code() : error_code(asio::error::would_block);
            return n;
        }
        error = {};
        return 0;
    }

    template <class Buffers>
    size_t read_some(const Buffers &buffers) {
        error_code error;
        size_t n = read_some(buffers, error);
        if (error) throw boost::system::system_error(error);
        return n;
    }

    template <class Buffers>
    size_t write_some(const Buffers &buffers, error_code &error) {
        size_t total = 0;
        for (auto it = asio::buffer_sequence_begin(buffers); it != asio::buffer_sequence_end(buffers); ++it) {
            asio::const_buffer buffer(*it);
            bench_send(tally, buffer.data(), buffer.size());
            total += buffer.size();
        }
        error = {};
        return total;
    }

    template <class Buffers>
    size_t write_some(const Buffers &buffers) {
        error_code error;
        return write_some(buffers, error);
    }
};

void teardown(beast::role_type, Memory &, error_code &error) { error = {}; }

template <bool deflate>
struct Connection {
    websocket::stream<Memory, deflate> stream;

    Connection(const BenchJob &job, const void *request, size_t len, BenchTally *tally) {
        if constexpr (deflate) {
            websocket::permessage_deflate options;
            options.server_enable = true;
            options.server_no_context_takeover = !job.takeover;
            options.client_no_context_takeover = !job.takeover;
            options.compLevel = 6;
            options.memLevel = 8;
            stream.set_option(options);
        }
        stream.read_message_max(16 << 20);
        stream.auto_fragment(false);
        BenchJob head = job;
        head.input = (const uint8_t *) request;
        head.input_len = len;
        BenchReader reader(head);
        stream.next_layer().reader = &reader;
        stream.next_layer().tally = tally;
        error_code error;
        stream.accept(error);
        check(error, "accept");
    }

    // `message` is kept by the caller: its memory is used again.
    void serve(const BenchJob &job, beast::flat_buffer &message, bool echo, BenchTally *tally) {
        BenchReader reader(job);
        stream.next_layer().reader = &reader;
        stream.next_layer().tally = tally;
        // Counted: after an error, "would block" too, the stream is not used again.
        for (size_t i = 0; i < job.input_messages; i++) {
            error_code error;
            stream.read(message, error);
            check(error, "read");
            bench_message(tally, message.data().data(), message.size());
            if (echo) {
                stream.text(stream.got_text());
                stream.write(message.data(), error);
                check(error, "write");
            }
            message.clear();
        }
    }
};

template <bool deflate>
struct Messages : BenchRun {
    BenchJob job;
    BenchTally nothing = bench_no_tally();
    Connection<deflate> conn;
    beast::flat_buffer message;

    explicit Messages(const BenchJob &job) : job(job), conn(job, job.request, job.request_len, &nothing) {}
    void pass(BenchTally *tally) override { conn.serve(job, message, job.kind != BENCH_RECEIVE, tally); }
};

struct Handshakes : BenchRun {
    BenchJob job;

    explicit Handshakes(const BenchJob &job) : job(job) {}

    void pass(BenchTally *tally) override {
        for (size_t i = 0; i < job.count; i++) {
            auto conn = std::make_unique<Connection<false>>(job, job.request, job.request_len, tally);
            tally->messages += 1;
        }
    }
};

std::vector<std::unique_ptr<Connection<false>>> open(const BenchJob &job) {
    BenchTally nothing = bench_no_tally();
    std::vector<std::unique_ptr<Connection<false>>> conns;
    conns.reserve(job.count);
    for (size_t i = 0; i < job.count; i++) {
        conns.push_back(std::make_unique<Connection<false>>(job, job.request, job.request_len, &nothing));
    }
    return conns;
}

struct Broadcast : BenchRun {
    BenchJob job;
    std::vector<std::unique_ptr<Connection<false>>> conns;

    explicit Broadcast(const BenchJob &job) : job(job), conns(open(job)) {}

    void pass(BenchTally *tally) override {
        for (auto &conn : conns) {
            conn->stream.next_layer().tally = tally;
            conn->stream.binary(true);
            error_code error;
            conn->stream.write(asio::buffer(job.payload, job.payload_len), error);
            check(error, "write");
        }
    }
};

struct Idle : BenchRun {
    std::vector<std::unique_ptr<Connection<false>>> conns;

    explicit Idle(const BenchJob &job) : conns(open(job)) {
        BenchTally tally = bench_no_tally();
        beast::flat_buffer message;
        for (auto &conn : conns) conn->serve(job, message, true, &tally);
    }

    void pass(BenchTally *) override {}
};

BenchRun *make(const BenchJob &job) {
    switch (job.kind) {
        case BENCH_RECEIVE:
        case BENCH_ECHO: return new Messages<false>(job);
        case BENCH_DEFLATE: return new Messages<true>(job);
        case BENCH_HANDSHAKE: return new Handshakes(job);
        case BENCH_BROADCAST: return new Broadcast(job);
        case BENCH_IDLE: return new Idle(job);
        default: return nullptr;
    }
}

} // namespace

BENCH_SUBJECT(subject_beast, "Boost.Beast", make)
