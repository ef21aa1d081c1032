/*
 * ws_engine_config.hpp - the part of ws_engine.hpp that is about settings. Include that.
 */

#ifndef WS_ENGINE_CONFIG_HPP
#define WS_ENGINE_CONFIG_HPP

#include "ws_engine.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

namespace ws {

namespace detail {

struct Free {
    void operator()(ws_config *config) const noexcept { ws_config_free(config); }
    void operator()(ws_engine *engine) const noexcept { ws_engine_free(engine); }
    void operator()(ws_conn *conn) const noexcept { ws_conn_free(conn); }
    void operator()(ws_prepared *prepared) const noexcept { ws_prepared_free(prepared); }
    void operator()(ws_stream *stream) const noexcept { ws_stream_free(stream); }
};

template <typename T>
using Owned = std::unique_ptr<T, Free>;

} // namespace detail

/** Settings and limits; see ::ws_config. */
class Config {
public:
    Config() noexcept : config_(ws_config_new()) {}

    /** Whether it could be made. */
    explicit operator bool() const noexcept { return config_ != nullptr; }

    // The handshake

    [[nodiscard]] ws_status set_max_head_size(std::size_t bytes) noexcept {
        return ws_config_set_max_head_size(get(), bytes);
    }
    [[nodiscard]] ws_status set_max_headers(std::size_t count) noexcept { return ws_config_set_max_headers(get(), count); }
    [[nodiscard]] ws_status set_origin_policy(ws_origin_policy policy) noexcept {
        return ws_config_set_origin_policy(get(), policy);
    }
    [[nodiscard]] ws_status allow_origin(const std::string &origin) noexcept {
        return ws_config_allow_origin(get(), origin.c_str());
    }
    [[nodiscard]] ws_status add_subprotocol(const std::string &name) noexcept {
        return ws_config_add_subprotocol(get(), name.c_str());
    }
    [[nodiscard]] ws_status set_manual_accept(bool enabled) noexcept {
        return ws_config_set_manual_accept(get(), enabled);
    }
    [[nodiscard]] ws_status set_max_held_bytes(std::size_t bytes) noexcept {
        return ws_config_set_max_held_bytes(get(), bytes);
    }

    // Messages from the peer

    [[nodiscard]] ws_status set_delivery(ws_delivery delivery) noexcept {
        return ws_config_set_delivery(get(), delivery);
    }
    [[nodiscard]] ws_status set_auto_pong(bool enabled) noexcept { return ws_config_set_auto_pong(get(), enabled); }
    [[nodiscard]] ws_status set_max_frame_size(std::uint64_t bytes) noexcept {
        return ws_config_set_max_frame_size(get(), bytes);
    }
    [[nodiscard]] ws_status set_max_message_size(std::uint64_t bytes) noexcept {
        return ws_config_set_max_message_size(get(), bytes);
    }
    [[nodiscard]] ws_status set_max_fragments(std::uint32_t count) noexcept {
        return ws_config_set_max_fragments(get(), count);
    }
    [[nodiscard]] ws_status set_max_empty_fragments(std::uint32_t count) noexcept {
        return ws_config_set_max_empty_fragments(get(), count);
    }
    [[nodiscard]] ws_status set_max_control_rate(std::uint32_t frames_per_second) noexcept {
        return ws_config_set_max_control_rate(get(), frames_per_second);
    }

    // Output and memory

    [[nodiscard]] ws_status set_max_queued_bytes(std::size_t bytes) noexcept {
        return ws_config_set_max_queued_bytes(get(), bytes);
    }
    [[nodiscard]] ws_status set_outgoing_utf8_check(bool enabled) noexcept {
        return ws_config_set_outgoing_utf8_check(get(), enabled);
    }
    [[nodiscard]] ws_status set_water_marks(std::size_t low, std::size_t high) noexcept {
        return ws_config_set_water_marks(get(), low, high);
    }
    [[nodiscard]] ws_status set_max_connection_bytes(std::size_t bytes) noexcept {
        return ws_config_set_max_connection_bytes(get(), bytes);
    }
    [[nodiscard]] ws_status set_max_engine_bytes(std::size_t bytes) noexcept {
        return ws_config_set_max_engine_bytes(get(), bytes);
    }
    [[nodiscard]] ws_status set_receive_buffer_size(std::size_t bytes) noexcept {
        return ws_config_set_receive_buffer_size(get(), bytes);
    }

    // Compression (RFC 7692)

    [[nodiscard]] ws_status set_compression(bool enabled) noexcept { return ws_config_set_compression(get(), enabled); }
    [[nodiscard]] ws_status set_compression_level(int level) noexcept {
        return ws_config_set_compression_level(get(), level);
    }
    [[nodiscard]] ws_status set_compression_mem_level(int level) noexcept {
        return ws_config_set_compression_mem_level(get(), level);
    }
    [[nodiscard]] ws_status set_compression_threshold(std::size_t bytes) noexcept {
        return ws_config_set_compression_threshold(get(), bytes);
    }
    [[nodiscard]] ws_status set_context_takeover(bool own, bool peer) noexcept {
        return ws_config_set_context_takeover(get(), own, peer);
    }
    [[nodiscard]] ws_status set_window_bits(int own, int peer) noexcept {
        return ws_config_set_window_bits(get(), own, peer);
    }

    // Deadlines, in milliseconds; 0 is off

    [[nodiscard]] ws_status set_handshake_timeout(std::uint32_t ms) noexcept {
        return ws_config_set_handshake_timeout(get(), ms);
    }
    [[nodiscard]] ws_status set_ping_interval(std::uint32_t ms) noexcept {
        return ws_config_set_ping_interval(get(), ms);
    }
    [[nodiscard]] ws_status set_pong_timeout(std::uint32_t ms) noexcept {
        return ws_config_set_pong_timeout(get(), ms);
    }
    [[nodiscard]] ws_status set_idle_timeout(std::uint32_t ms) noexcept {
        return ws_config_set_idle_timeout(get(), ms);
    }
    [[nodiscard]] ws_status set_close_timeout(std::uint32_t ms) noexcept {
        return ws_config_set_close_timeout(get(), ms);
    }
    [[nodiscard]] ws_status set_write_stall_timeout(std::uint32_t ms) noexcept {
        return ws_config_set_write_stall_timeout(get(), ms);
    }
    [[nodiscard]] ws_status set_max_lifetime(std::uint32_t ms) noexcept {
        return ws_config_set_max_lifetime(get(), ms);
    }

    // Token streams

    [[nodiscard]] ws_status set_stream_merge_time(std::uint32_t ms) noexcept {
        return ws_config_set_stream_merge_time(get(), ms);
    }
    [[nodiscard]] ws_status set_stream_piece_size(std::size_t bytes) noexcept {
        return ws_config_set_stream_piece_size(get(), bytes);
    }
    [[nodiscard]] ws_status set_stream_water_marks(std::size_t low, std::size_t high) noexcept {
        return ws_config_set_stream_water_marks(get(), low, high);
    }

    /** The handle, for functions of the C API. */
    ws_config *get() const noexcept { return config_.get(); }

private:
    detail::Owned<ws_config> config_;
};

} // namespace ws

#endif /* WS_ENGINE_CONFIG_HPP */
