/*
 * ws_engine.hpp - wsengine for C++17: ownership, views and types on top of ws_engine.h, which has the documentation.
 *
 * Objects are move-only and free themselves. Nothing throws on its own (std::bad_alloc aside): calls return a ws_status,
 * and objects that could not be made are false. Header-only; link with libwsengine. Settings are in ws_engine_config.hpp,
 * token streams in ws_engine_stream.hpp; both come with this.
 */

#ifndef WS_ENGINE_HPP
#define WS_ENGINE_HPP

#include "ws_engine.h"
#include "ws_engine_config.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace ws {

/** What a status means, in words. */
inline const char *to_string(ws_status status) noexcept { return ws_strerror(status); }

/** The version of the library that is running. */
inline std::string_view version() noexcept { return ws_version(); }

/** What engines have counted; see ::ws_metrics for its fields. A plain value: it may cross threads. */
struct Metrics : ws_metrics {
    Metrics() noexcept : ws_metrics() { struct_size = sizeof(ws_metrics); }
};

/** What the connections of one event loop share; see ::ws_engine. */
class Engine {
public:
    /** With the default settings. */
    Engine() noexcept : engine_(ws_engine_new(nullptr)) {}

    explicit Engine(const Config &config) noexcept : engine_(config ? ws_engine_new(config.get()) : nullptr) {}

    /** Whether it could be made. */
    explicit operator bool() const noexcept { return engine_ != nullptr; }

    // Time; see ws_engine_advance() for the loop

    ws_status advance(std::uint64_t now_ms) noexcept { return ws_engine_advance(get(), now_ms); }

    /** UINT64_MAX for none. */
    std::uint64_t next_deadline() const noexcept { return ws_engine_next_deadline(get()); }

    /** The handle of a connection (Connection::get()) that time has given something to do; null if there is none. */
    [[nodiscard]] ws_conn *next_due() noexcept { return ws_engine_next_due(get()); }

    /** The handle of a stream (TokenStream::get()) that time has made a message due of; null if there is none. */
    [[nodiscard]] ws_stream *next_due_stream() noexcept { return ws_engine_next_due_stream(get()); }

    /** What was counted so far; zeros if there is no engine. Call it on the engine's thread. */
    Metrics metrics() const noexcept {
        Metrics result;
        ws_metrics_get(get(), &result);
        return result;
    }

    /** The handle, for functions of the C API. */
    ws_engine *get() const noexcept { return engine_.get(); }

private:
    detail::Owned<ws_engine> engine_;
};

/** An event; see ::ws_event for its fields, and for how long its views live. */
struct Event : ws_event {
    Event() noexcept : ws_event() {}

    /** The payload, target, subprotocol or close reason. */
    std::string_view view() const noexcept { return {data, len}; }

    /** Text or binary: a message. */
    bool is_message() const noexcept { return type == WS_EVENT_TEXT || type == WS_EVENT_BINARY; }
};

static_assert(sizeof(Event) == sizeof(ws_event), "an array of one is an array of the other: see Connection::next_events");

/** A header field, to send or as it was received. */
struct Header {
    std::string_view name;
    std::string_view value;
};

/** What a client asks for; see ::ws_client_request. */
struct ClientRequest {
    std::string host;
    std::string target = "/";
    std::string origin = {};
    std::vector<std::string> subprotocols = {};
    std::vector<Header> headers = {};
};

/** A request that the host's own HTTP server has parsed; see ::ws_parsed_request. */
struct ParsedRequest {
    std::string_view method;
    std::string_view target;
    std::vector<Header> headers = {};
    /** Not empty for an extended CONNECT of HTTP/2 or HTTP/3. */
    std::string_view protocol = {};
    std::string_view scheme = {};
    std::string_view authority = {};
    bool http_1_0 = false;
};

namespace detail {

inline std::vector<ws_header> to_c(const std::vector<Header> &headers) {
    std::vector<ws_header> result;
    result.reserve(headers.size());
    for (const Header &header : headers) {
        result.push_back({header.name.data(), header.name.size(), header.value.data(), header.value.size()});
    }
    return result;
}

} // namespace detail

/** A message for many connections; see ::ws_prepared. Copies share it, and any thread may use them. */
class Prepared {
public:
    /** No message: false. */
    Prepared() noexcept = default;

    static Prepared text(std::string_view text) noexcept { return Prepared(WS_MESSAGE_TEXT, text); }
    static Prepared binary(std::string_view data) noexcept { return Prepared(WS_MESSAGE_BINARY, data); }

    Prepared(const Prepared &other) noexcept : prepared_(ws_prepared_retain(other.get())) {}
    Prepared(Prepared &&) noexcept = default;
    Prepared &operator=(Prepared other) noexcept {
        prepared_.swap(other.prepared_);
        return *this;
    }
    ~Prepared() = default;

    /** Whether it could be made: text that is not UTF-8 cannot. */
    explicit operator bool() const noexcept { return prepared_ != nullptr; }

    /** The handle, for functions of the C API. */
    ws_prepared *get() const noexcept { return prepared_.get(); }

private:
    Prepared(ws_message_type type, std::string_view data) noexcept {
        ws_prepared *prepared = nullptr;
        if (ws_prepared_new(type, data.data(), data.size(), &prepared) == WS_OK) {
            prepared_.reset(prepared);
        }
    }

    detail::Owned<ws_prepared> prepared_;
};

/** The header of ws_conn_begin_frame(). */
struct FrameHeader {
    std::uint8_t bytes[WS_MAX_HEADER_LEN] = {};
    std::size_t len = 0;

    /** The key of a client's header, to mask() the payload with; null for a server's. */
    const std::uint8_t *mask_key() const noexcept { return (bytes[1] & 0x80) != 0 ? bytes + len - 4 : nullptr; }
};

/** Masks a payload in place, or unmasks it; offset: bytes of the payload before data. See ws_mask(). */
[[nodiscard]] inline ws_status mask(const std::uint8_t *key, std::uint64_t offset, void *data, std::size_t len) noexcept {
    return ws_mask(key, offset, data, len);
}

/** One connection; see ::ws_conn. */
class Connection {
public:
    /** No connection: false, and every call on it returns #WS_ERR_INVALID_ARGUMENT. */
    Connection() noexcept = default;

    /** The server's end. */
    static Connection server(const Engine &engine) noexcept { return Connection(ws_conn_new_server(engine.get())); }

    /** The server's end of a request that the host's own HTTP server has parsed; false if the engine is. */
    static Connection server(const Engine &engine, const ParsedRequest &request) {
        const std::vector<ws_header> headers = detail::to_c(request.headers);
        ws_parsed_request c = {};
        c.struct_size = sizeof c;
        c.method = request.method.data();
        c.method_len = request.method.size();
        c.target = request.target.data();
        c.target_len = request.target.size();
        c.headers = headers.data();
        c.header_count = headers.size();
        c.protocol = request.protocol.empty() ? nullptr : request.protocol.data();
        c.protocol_len = request.protocol.size();
        c.scheme = request.scheme.empty() ? nullptr : request.scheme.data();
        c.scheme_len = request.scheme.size();
        c.authority = request.authority.empty() ? nullptr : request.authority.data();
        c.authority_len = request.authority.size();
        c.http_1_0 = request.http_1_0 ? 1 : 0;
        ws_conn *conn = nullptr;
        (void)ws_conn_new_server_from_request(engine.get(), &c, &conn);
        return Connection(conn);
    }

    /** The client's end; false if the request cannot be sent, and then the reason is in status, if that is given. */
    static Connection client(const Engine &engine, const ClientRequest &request, ws_status *status = nullptr) {
        std::vector<const char *> subprotocols;
        for (const std::string &name : request.subprotocols) {
            subprotocols.push_back(name.c_str());
        }
        const std::vector<ws_header> headers = detail::to_c(request.headers);
        ws_client_request c = {};
        c.struct_size = sizeof c;
        c.host = request.host.c_str();
        c.target = request.target.c_str();
        c.origin = request.origin.empty() ? nullptr : request.origin.c_str();
        c.subprotocols = subprotocols.data();
        c.subprotocol_count = subprotocols.size();
        c.headers = headers.data();
        c.header_count = headers.size();
        ws_conn *conn = nullptr;
        const ws_status result = ws_conn_new_client(engine.get(), &c, &conn);
        if (status != nullptr) {
            *status = result;
        }
        return Connection(conn);
    }

    /** Whether there is a connection. */
    explicit operator bool() const noexcept { return conn_ != nullptr; }

    // Input and events

    [[nodiscard]] ws_status feed(const void *data, std::size_t len) noexcept { return ws_conn_feed(get(), data, len); }
    [[nodiscard]] ws_status feed(std::string_view data) noexcept { return feed(data.data(), data.size()); }
    [[nodiscard]] ws_status feed_mut(void *data, std::size_t len) noexcept { return ws_conn_feed_mut(get(), data, len); }
    [[nodiscard]] ws_status recv_buffer(std::size_t min, void *&buffer, std::size_t &capacity) noexcept {
        return ws_conn_recv_buffer(get(), min, &buffer, &capacity);
    }
    ws_status commit(std::size_t bytes) noexcept { return ws_conn_commit(get(), bytes); }
    ws_status feed_eof() noexcept { return ws_conn_feed_eof(get()); }
    [[nodiscard]] ws_status next_event(Event &event) noexcept { return ws_conn_next_event(get(), &event); }
    [[nodiscard]] ws_status next_events(Event *events, std::size_t capacity, std::size_t &count) noexcept {
        return ws_conn_next_events(get(), events, capacity, &count);
    }
    [[nodiscard]] ws_status set_delivery(ws_delivery delivery) noexcept { return ws_conn_set_delivery(get(), delivery); }

    // Looking at a request; views that are not there now have a null data()

    std::string_view request_method() const noexcept { return view(ws_conn_request_method); }
    /** The target as it was sent. */
    std::string_view request_target() const noexcept { return view(ws_conn_request_target); }
    std::string_view request_path() const noexcept { return view(ws_conn_request_path); }
    /** What stands behind the question mark. */
    std::string_view request_query() const noexcept { return view(ws_conn_request_query); }

    /** A header of the request; its data() is null if there is none. */
    std::string_view request_header(const std::string &name, std::size_t index = 0) const noexcept {
        const char *value = nullptr;
        std::size_t len = 0;
        const ws_status status = ws_conn_request_header(get(), name.c_str(), index, &value, &len);
        return status == WS_OK ? std::string_view(value, len) : std::string_view();
    }

    /** All headers of the request, in order; their views live as long as the request. */
    std::vector<Header> request_headers() const {
        return all(ws_conn_request_header_count(get()), ws_conn_request_header_at);
    }

    // The answer: what a client got, or what the host of an extended CONNECT sends

    /** Its HTTP status; 0 if there is none now. */
    int response_status() const noexcept { return ws_conn_response_status(get()); }

    /** A header of the answer; its data() is null if there is none. */
    std::string_view response_header(const std::string &name, std::size_t index = 0) const noexcept {
        const char *value = nullptr;
        std::size_t len = 0;
        const ws_status status = ws_conn_response_header(get(), name.c_str(), index, &value, &len);
        return status == WS_OK ? std::string_view(value, len) : std::string_view();
    }

    /** All headers of the answer, in order; their views live as long as the answer. */
    std::vector<Header> response_headers() const {
        return all(ws_conn_response_header_count(get()), ws_conn_response_header_at);
    }

    // Deciding on a request

    /** With the subprotocol that the settings choose. */
    [[nodiscard]] ws_status accept(const std::vector<Header> &headers = {}) { return accept_with(nullptr, headers); }

    /** With this subprotocol, or none if it is empty. */
    [[nodiscard]] ws_status accept_subprotocol(const std::string &name, const std::vector<Header> &headers = {}) {
        return accept_with(name.c_str(), headers);
    }

    [[nodiscard]] ws_status reject(int http_status, const std::vector<Header> &headers = {}, std::string_view body = {}) {
        const std::vector<ws_header> c = detail::to_c(headers);
        return ws_conn_reject(get(), http_status, c.data(), c.size(), body.data(), body.size());
    }

    // Output

    [[nodiscard]] ws_status queue_text(std::string_view text) noexcept {
        return ws_conn_queue_text(get(), text.data(), text.size());
    }
    [[nodiscard]] ws_status queue_binary(std::string_view data) noexcept {
        return ws_conn_queue_binary(get(), data.data(), data.size());
    }
    [[nodiscard]] ws_status queue_prepared(const Prepared &prepared) noexcept {
        return ws_conn_queue_prepared(get(), prepared.get());
    }
    [[nodiscard]] ws_status queue_begin(ws_message_type type) noexcept { return ws_conn_queue_begin(get(), type); }
    [[nodiscard]] ws_status queue_part(std::string_view data) noexcept {
        return ws_conn_queue_part(get(), data.data(), data.size());
    }
    [[nodiscard]] ws_status queue_end(std::string_view data = {}) noexcept {
        return ws_conn_queue_end(get(), data.data(), data.size());
    }
    [[nodiscard]] ws_status begin_frame(ws_message_type type, std::uint64_t payload_len, FrameHeader &header) noexcept {
        return ws_conn_begin_frame(get(), type, payload_len, header.bytes, &header.len);
    }
    [[nodiscard]] ws_status queue_frame_rest(std::string_view rest) noexcept {
        return ws_conn_queue_frame_rest(get(), rest.data(), rest.size());
    }
    [[nodiscard]] ws_status end_frame() noexcept { return ws_conn_end_frame(get()); }
    [[nodiscard]] ws_status queue_ping(std::string_view data = {}) noexcept {
        return ws_conn_queue_ping(get(), data.data(), data.size());
    }
    [[nodiscard]] ws_status queue_pong(std::string_view data = {}) noexcept {
        return ws_conn_queue_pong(get(), data.data(), data.size());
    }
    [[nodiscard]] ws_status queue_close(std::uint16_t code = 1000, std::string_view reason = {}) noexcept {
        return ws_conn_queue_close(get(), code, reason.data(), reason.size());
    }
    [[nodiscard]] int output(iovec *slices, int max) noexcept { return ws_conn_output(get(), slices, max); }
    ws_status output_consume(std::size_t bytes) noexcept { return ws_conn_output_consume(get(), bytes); }
    [[nodiscard]] ws_status output_read(void *buffer, std::size_t capacity, std::size_t &written) noexcept {
        return ws_conn_output_read(get(), buffer, capacity, &written);
    }
    std::size_t queued_bytes() const noexcept { return ws_conn_queued_bytes(get()); }
    bool above_high_water() const noexcept { return ws_conn_above_high_water(get()) != 0; }

    // State

    ws_state state() const noexcept { return ws_conn_state(get()); }
    bool has_events() const noexcept { return ws_conn_has_events(get()) != 0; }
    bool wants_shutdown() const noexcept { return ws_conn_wants_shutdown(get()) != 0; }
    bool wants_abort() const noexcept { return ws_conn_wants_abort(get()) != 0; }

    // Time

    ws_status set_reading(bool enabled) noexcept { return ws_conn_set_reading(get(), enabled); }

    // The host's own

    void set_user_data(void *user_data) noexcept { ws_conn_set_user_data(get(), user_data); }
    void *user_data() const noexcept { return ws_conn_user_data(get()); }

    /** The handle, for functions of the C API. */
    ws_conn *get() const noexcept { return conn_.get(); }

private:
    explicit Connection(ws_conn *conn) noexcept : conn_(conn) {}

    std::string_view view(ws_status (*get_view)(const ws_conn *, const char **, std::size_t *)) const noexcept {
        const char *value = nullptr;
        std::size_t len = 0;
        return get_view(get(), &value, &len) == WS_OK ? std::string_view(value, len) : std::string_view();
    }

    std::vector<Header> all(std::size_t count, ws_status (*get_at)(const ws_conn *, std::size_t, const char **,
                                                                   std::size_t *, const char **,
                                                                   std::size_t *)) const {
        std::vector<Header> headers;
        headers.reserve(count);
        const char *name = nullptr;
        const char *value = nullptr;
        std::size_t name_len = 0;
        std::size_t value_len = 0;
        for (std::size_t i = 0; i < count && get_at(get(), i, &name, &name_len, &value, &value_len) == WS_OK; ++i) {
            headers.push_back({{name, name_len}, {value, value_len}});
        }
        return headers;
    }

    ws_status accept_with(const char *subprotocol, const std::vector<Header> &headers) {
        const std::vector<ws_header> c = detail::to_c(headers);
        return ws_conn_accept(get(), subprotocol, c.data(), c.size());
    }

    detail::Owned<ws_conn> conn_;
};

/** What ws_sniff() found. */
struct Sniffed {
    ws_sniff_result result;
    /** See the parameter of ws_sniff(); after #WS_SNIFF_NEED_MORE, give it to the next call. */
    std::size_t head_len;
};

/** Tells a WebSocket request from other HTTP on the same port; see ws_sniff(). */
inline Sniffed sniff(std::string_view data, std::size_t max_head = 8192, std::size_t scanned = 0) noexcept {
    const ws_sniff_result result = ws_sniff(data.data(), data.size(), max_head, &scanned);
    return {result, scanned};
}

/** The sum of several engines' metrics as Prometheus's text; empty after an error. See ws_metrics_render(). */
inline std::string render(const std::vector<Metrics> &list) {
    std::vector<const ws_metrics *> pointers;
    pointers.reserve(list.size());
    for (const Metrics &metrics : list) {
        pointers.push_back(&metrics);
    }
    std::size_t len = 0;
    ws_metrics_render(pointers.data(), pointers.size(), nullptr, 0, &len);
    std::string text(len + 1, '\0'); // with room for the NUL
    if (ws_metrics_render(pointers.data(), pointers.size(), &text[0], text.size(), &len) != WS_OK) {
        return {};
    }
    text.resize(len);
    return text;
}

/** One of many connections that a message goes to; see ::ws_recipient. */
inline ws_recipient recipient(const Connection &conn) noexcept {
    ws_recipient recipient = {};
    recipient.conn = conn.get();
    return recipient;
}

/** Queues a message to many connections, and says what each has to write now; see ws_conns_queue_prepared(). */
inline ws_status queue_prepared(ws_recipient *recipients, std::size_t count, const Prepared &prepared) noexcept {
    return ws_conns_queue_prepared(recipients, count, prepared.get());
}

/** Takes from many connections what was written; see ws_conns_output_consume(). */
inline ws_status output_consume(ws_recipient *recipients, std::size_t count) noexcept {
    return ws_conns_output_consume(recipients, count);
}

/** The reason that this place of ws_metrics::handshakes_refused counts; empty behind the last. */
inline std::string_view refusal_name(std::size_t index) noexcept {
    const char *name = nullptr;
    std::size_t len = 0;
    return ws_metrics_refusal_name(index, &name, &len) == WS_OK ? std::string_view(name, len) : std::string_view();
}

/** The rule that this place of ws_metrics::violations counts; empty behind the last. */
inline std::string_view violation_name(std::size_t index) noexcept {
    const char *name = nullptr;
    std::size_t len = 0;
    return ws_metrics_violation_name(index, &name, &len) == WS_OK ? std::string_view(name, len) : std::string_view();
}

/** The frame header at the start of data in one line; see ws_frame_describe(). */
inline std::string describe(std::string_view data, ws_frame_header *header = nullptr) {
    char line[WS_DESCRIBE_SIZE] = "";
    ws_frame_describe(data.data(), data.size(), line, sizeof line, header);
    return line;
}

} // namespace ws

#include "ws_engine_stream.hpp"

#endif /* WS_ENGINE_HPP */
