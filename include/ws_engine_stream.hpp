/*
 * ws_engine_stream.hpp - the part of ws_engine.hpp that is about token streams. Include that.
 */

#ifndef WS_ENGINE_STREAM_HPP
#define WS_ENGINE_STREAM_HPP

#include "ws_engine.hpp"

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace ws {

/** What an answer has cost; see ::ws_stream_usage for its fields. */
struct Usage : ws_stream_usage {
    Usage() noexcept : ws_stream_usage() { struct_size = sizeof(ws_stream_usage); }

    Usage(std::uint64_t prompt, std::uint64_t completion, std::uint64_t total) noexcept : Usage() {
        prompt_tokens = prompt;
        completion_tokens = completion;
        total_tokens = total;
    }
};

/** A message of a stream; see ::ws_stream_message for its fields, and for how long its view lives. */
struct StreamMessage : ws_stream_message {
    StreamMessage() noexcept : ws_stream_message() { struct_size = sizeof(ws_stream_message); }

    /** The JSON object. */
    std::string_view view() const noexcept { return {data, len}; }
};

/** What a language model says, as numbered JSON messages; see ::ws_stream. */
class TokenStream {
public:
    /** No stream: false, and every call on it returns #WS_ERR_INVALID_ARGUMENT. */
    TokenStream() noexcept = default;

    /**
     * With this `requestId`, or none if its data() is null. False if it could not be made, and then the reason is in
     * status, if that is given.
     */
    explicit TokenStream(const Engine &engine, std::string_view request_id = {}, ws_status *status = nullptr) noexcept {
        ws_stream *stream = nullptr;
        const ws_status result = ws_stream_new(engine.get(), request_id.data(), request_id.size(), &stream);
        stream_.reset(stream);
        if (status != nullptr) {
            *status = result;
        }
    }

    /** Whether there is a stream. */
    explicit operator bool() const noexcept { return stream_ != nullptr; }

    [[nodiscard]] ws_status set_first_seq(std::uint64_t seq) noexcept { return ws_stream_set_first_seq(get(), seq); }

    // Writing

    [[nodiscard]] ws_status write(std::string_view data) noexcept {
        return ws_stream_write(get(), data.data(), data.size());
    }
    [[nodiscard]] ws_status finish(std::string_view reason = "stop", const ws_stream_usage *usage = nullptr) noexcept {
        return ws_stream_finish(get(), reason.data(), reason.size(), usage);
    }
    [[nodiscard]] ws_status fail(std::string_view code, std::string_view message, bool retryable) noexcept {
        return ws_stream_fail(get(), code.data(), code.size(), message.data(), message.size(), retryable);
    }
    [[nodiscard]] ws_status cancel() noexcept { return ws_stream_cancel(get()); }

    // Taking messages: where they are needed, or to a connection

    [[nodiscard]] ws_status next(StreamMessage &message) noexcept { return ws_stream_next(get(), &message); }
    [[nodiscard]] ws_status send(Connection &conn) noexcept { return ws_stream_send(get(), conn.get()); }

    // State

    bool wants_more() const noexcept { return ws_stream_wants_more(get()) != 0; }
    std::size_t pending_bytes() const noexcept { return ws_stream_pending_bytes(get()); }
    std::uint64_t next_seq() const noexcept { return ws_stream_next_seq(get()); }
    bool is_finished() const noexcept { return ws_stream_is_finished(get()) != 0; }

    // The host's own

    void set_user_data(void *user_data) noexcept { ws_stream_set_user_data(get(), user_data); }
    void *user_data() const noexcept { return ws_stream_user_data(get()); }

    /** The handle, for functions of the C API. */
    ws_stream *get() const noexcept { return stream_.get(); }

private:
    detail::Owned<ws_stream> stream_;
};

} // namespace ws

#endif /* WS_ENGINE_STREAM_HPP */
