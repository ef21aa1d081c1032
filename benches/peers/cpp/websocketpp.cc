// websocketpp's protocol core: its HTTP parser and hybi13 processor, without its connections and their locks.
#include "bench.h"

#include <memory>
#include <string>
#include <vector>

#define _WEBSOCKETPP_CPP11_STL_
#include <websocketpp/config/core.hpp>
#include <websocketpp/concurrency/none.hpp>
#include <websocketpp/extensions/permessage_deflate/enabled.hpp>
#include <websocketpp/http/request.hpp>
#include <websocketpp/http/response.hpp>
#include <websocketpp/processors/hybi13.hpp>

namespace {

using websocketpp::lib::error_code;

struct Config : websocketpp::config::core {
    typedef websocketpp::concurrency::none concurrency_type;
    static const bool enable_multithreading = false;
};

struct DeflateConfig : Config {
    struct permessage_deflate_config {
        typedef Config::request_type request_type;
        static const bool allow_disabling_context_takeover = true;
        static const uint8_t minimum_outgoing_window_bits = 8;
    };
    typedef websocketpp::extensions::permessage_deflate::enabled<permessage_deflate_config> permessage_deflate_type;
};

void check(const error_code &error, const char *what) {
    if (error) bench_fail("websocketpp", what);
}

// One connection: the processor, and the manager that its messages come from.
template <typename C>
struct Connection {
    typedef websocketpp::processor::hybi13<C> Processor;
    typedef typename C::message_type::ptr Message;

    typename C::con_msg_manager_type::ptr manager = websocketpp::lib::make_shared<typename C::con_msg_manager_type>();
    typename C::rng_type random;
    Processor processor{false, true, manager, random};

    // A message and what to write for it: two slices.
    static void send(BenchTally *tally, const Message &frame) {
        bench_send(tally, frame->get_header().data(), frame->get_header().size());
        bench_send(tally, frame->get_payload().data(), frame->get_payload().size());
    }

    Message frame(const Message &in) {
        Message out = manager->get_message();
        check(processor.prepare_data_frame(in, out), "prepare_data_frame");
        return out;
    }

    void serve(const BenchJob &job, std::vector<uint8_t> &buffer, bool echo, BenchTally *tally) {
        BenchReader reader(job);
        std::vector<Message> answers; // written when the read has been used up, gathered
        while (!reader.at_end()) {
            size_t n = reader.read(buffer.data(), buffer.size());
            for (size_t used = 0; used < n;) {
                error_code error;
                used += processor.consume(buffer.data() + used, n - used, error);
                check(error, "consume");
                if (!processor.ready()) continue;
                Message message = processor.get_message();
                bench_message(tally, message->get_payload().data(), message->get_payload().size());
                if (!echo) continue;
                message->set_compressed(job.kind == BENCH_DEFLATE);
                answers.push_back(frame(message));
            }
            for (auto &answer : answers) send(tally, answer);
            answers.clear();
        }
    }

    // Parses a request, checks it, and writes the answer.
    void handshake(const char *request_text, size_t len, BenchTally *tally) {
        typename C::request_type request;
        typename C::response_type response;
        request.consume(request_text, len);
        if (!request.ready() || !websocketpp::processor::is_websocket_handshake(request)) bench_fail("websocketpp", "no request");
        check(processor.validate_handshake(request), "validate_handshake");
        std::pair<error_code, std::string> extensions = processor.negotiate_extensions(request);
        check(extensions.first, "negotiate_extensions");
        if (!extensions.second.empty()) response.replace_header("Sec-WebSocket-Extensions", extensions.second);
        check(processor.process_handshake(request, "", response), "process_handshake");
        response.set_version("HTTP/1.1");
        response.set_status(websocketpp::http::status_code::switching_protocols);
        std::string answer = processor.get_raw(response);
        bench_send(tally, answer.data(), answer.size());
    }
};

template <typename C>
struct Messages : BenchRun {
    BenchJob job;
    Connection<C> conn;
    std::vector<uint8_t> buffer = std::vector<uint8_t>(BENCH_READ);

    explicit Messages(const BenchJob &job) : job(job) {
        BenchTally tally = bench_no_tally();
        conn.handshake((const char *) job.request, job.request_len, &tally);
    }

    void pass(BenchTally *tally) override { conn.serve(job, buffer, job.kind != BENCH_RECEIVE, tally); }
};

struct Handshakes : BenchRun {
    BenchJob job;
    std::vector<char> buffer = std::vector<char>(BENCH_READ);

    explicit Handshakes(const BenchJob &job) : job(job) {}

    void pass(BenchTally *tally) override {
        for (size_t i = 0; i < job.count; i++) {
            memcpy(buffer.data(), job.request, job.request_len);
            bench_keep(buffer.data());
            auto conn = std::make_unique<Connection<Config>>();
            conn->handshake(buffer.data(), job.request_len, tally);
            tally->messages += 1;
        }
    }
};

// The frame is prepared once; each connection's queue shares it, and is written with one gathered write.
struct Broadcast : BenchRun {
    typedef Connection<Config> Conn;
    struct Place {
        Conn conn;
        std::vector<Conn::Message> queue;
    };
    BenchJob job;
    std::vector<std::unique_ptr<Place>> places;

    explicit Broadcast(const BenchJob &job) : job(job) {
        for (size_t i = 0; i < job.count; i++) places.push_back(std::make_unique<Place>());
    }

    void pass(BenchTally *tally) override {
        Conn &first = places[0]->conn;
        auto message = first.manager->get_message(websocketpp::frame::opcode::binary, job.payload_len);
        message->set_payload(job.payload, job.payload_len);
        Conn::Message frame = first.frame(message);
        for (auto &place : places) {
            place->queue.push_back(frame);
            for (auto &queued : place->queue) Conn::send(tally, queued);
            place->queue.clear();
        }
    }
};

struct Idle : BenchRun {
    std::vector<std::unique_ptr<Connection<Config>>> conns;

    explicit Idle(const BenchJob &job) {
        std::vector<uint8_t> buffer(BENCH_READ);
        BenchTally tally = bench_no_tally();
        conns.reserve(job.count);
        for (size_t i = 0; i < job.count; i++) {
            conns.push_back(std::make_unique<Connection<Config>>());
            conns.back()->serve(job, buffer, true, &tally);
        }
    }

    void pass(BenchTally *) override {}
};

BenchRun *make(const BenchJob &job) {
    switch (job.kind) {
        case BENCH_RECEIVE:
        case BENCH_ECHO: return new Messages<Config>(job);
        case BENCH_DEFLATE: return new Messages<DeflateConfig>(job);
        case BENCH_HANDSHAKE: return new Handshakes(job);
        case BENCH_BROADCAST: return new Broadcast(job);
        case BENCH_IDLE: return new Idle(job);
        default: return nullptr;
    }
}

} // namespace

BENCH_SUBJECT(subject_websocketpp, "websocketpp", make)
