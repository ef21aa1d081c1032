//! Every rule of the protocol that a peer can break after the handshake: one table of close codes and texts.

use crate::detail::Detail;
use crate::frame::close;

/// A rule that the peer broke. It ends the connection (RFC 6455, 7.1.7, _Fail the WebSocket Connection_).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[allow(missing_docs)] // `detail` says it of each
pub enum Violation {
    ReservedBits,
    ReservedOpcode,
    FragmentedControl,
    ControlTooLong,
    LengthNotMinimal,
    LengthTopBit,
    MaskMissing,
    MaskPresent,
    ContinuationWithoutStart,
    MessageInsideMessage,
    CloseTooShort,
    CloseCode,
    CloseReasonUtf8,
    TextUtf8,
    FrameTooBig,
    MessageTooBig,
    TooManyFragments,
    TooManyEmptyFragments,
    TooManyControlFrames,
    ConnectionTooBig,
    EngineTooBig,
    CompressedControl,
    CompressedContinuation,
    DeflateInvalid,
    DeflateCutShort,
}

impl Violation {
    /// All of them, in the order of their declaration.
    pub(crate) const ALL: [Violation; 25] = [
        Violation::ReservedBits,
        Violation::ReservedOpcode,
        Violation::FragmentedControl,
        Violation::ControlTooLong,
        Violation::LengthNotMinimal,
        Violation::LengthTopBit,
        Violation::MaskMissing,
        Violation::MaskPresent,
        Violation::ContinuationWithoutStart,
        Violation::MessageInsideMessage,
        Violation::CloseTooShort,
        Violation::CloseCode,
        Violation::CloseReasonUtf8,
        Violation::TextUtf8,
        Violation::FrameTooBig,
        Violation::MessageTooBig,
        Violation::TooManyFragments,
        Violation::TooManyEmptyFragments,
        Violation::TooManyControlFrames,
        Violation::ConnectionTooBig,
        Violation::EngineTooBig,
        Violation::CompressedControl,
        Violation::CompressedContinuation,
        Violation::DeflateInvalid,
        Violation::DeflateCutShort,
    ];

    /// Its place in [`Violation::ALL`].
    pub(crate) const fn index(self) -> usize {
        self as usize
    }

    /// Its name in snake case, as metrics have it.
    pub const fn name(self) -> &'static str {
        match self {
            Violation::ReservedBits => "reserved_bits",
            Violation::ReservedOpcode => "reserved_opcode",
            Violation::FragmentedControl => "fragmented_control",
            Violation::ControlTooLong => "control_too_long",
            Violation::LengthNotMinimal => "length_not_minimal",
            Violation::LengthTopBit => "length_top_bit",
            Violation::MaskMissing => "mask_missing",
            Violation::MaskPresent => "mask_present",
            Violation::ContinuationWithoutStart => "continuation_without_start",
            Violation::MessageInsideMessage => "message_inside_message",
            Violation::CloseTooShort => "close_too_short",
            Violation::CloseCode => "close_code",
            Violation::CloseReasonUtf8 => "close_reason_utf8",
            Violation::TextUtf8 => "text_utf8",
            Violation::FrameTooBig => "frame_too_big",
            Violation::MessageTooBig => "message_too_big",
            Violation::TooManyFragments => "too_many_fragments",
            Violation::TooManyEmptyFragments => "too_many_empty_fragments",
            Violation::TooManyControlFrames => "too_many_control_frames",
            Violation::ConnectionTooBig => "connection_too_big",
            Violation::EngineTooBig => "engine_too_big",
            Violation::CompressedControl => "compressed_control",
            Violation::CompressedContinuation => "compressed_continuation",
            Violation::DeflateInvalid => "deflate_invalid",
            Violation::DeflateCutShort => "deflate_cut_short",
        }
    }

    /// The close code that the RFC names for it.
    pub const fn close_code(self) -> u16 {
        match self {
            Violation::CloseReasonUtf8 | Violation::TextUtf8 => close::INVALID_PAYLOAD,
            Violation::DeflateInvalid | Violation::DeflateCutShort => close::INVALID_PAYLOAD,
            Violation::FrameTooBig | Violation::MessageTooBig | Violation::ConnectionTooBig => close::TOO_BIG,
            Violation::TooManyFragments | Violation::TooManyEmptyFragments | Violation::TooManyControlFrames => {
                close::POLICY
            }
            Violation::EngineTooBig => close::TRY_AGAIN_LATER,
            _ => close::PROTOCOL_ERROR,
        }
    }

    /// What was wrong, with the section that the rule comes from.
    pub const fn detail(self) -> Detail {
        Detail::new(match self {
            Violation::ReservedBits => c"frame with a reserved bit that no extension gave a meaning (RFC 6455, 5.2)",
            Violation::ReservedOpcode => c"frame with a reserved opcode (RFC 6455, 5.2)",
            Violation::FragmentedControl => c"control frame that is fragmented (RFC 6455, 5.5)",
            Violation::ControlTooLong => c"control frame with more than 125 bytes of payload (RFC 6455, 5.5)",
            Violation::LengthNotMinimal => c"payload length not in its shortest form (RFC 6455, 5.2)",
            Violation::LengthTopBit => c"64-bit payload length with its top bit set (RFC 6455, 5.2)",
            Violation::MaskMissing => c"frame from a client without a mask (RFC 6455, 5.1)",
            Violation::MaskPresent => c"masked frame from a server (RFC 6455, 5.1)",
            Violation::ContinuationWithoutStart => c"continuation frame without a message to continue (RFC 6455, 5.4)",
            Violation::MessageInsideMessage => c"new message before the fragmented one was finished (RFC 6455, 5.4)",
            Violation::CloseTooShort => c"close frame with one byte of payload, half a code (RFC 6455, 5.5.1)",
            Violation::CloseCode => c"close frame with a code that must not be sent (RFC 6455, 7.4)",
            Violation::CloseReasonUtf8 => c"close reason that is not UTF-8 (RFC 6455, 5.5.1)",
            Violation::TextUtf8 => c"text message that is not UTF-8 (RFC 6455, 8.1)",
            Violation::FrameTooBig => c"frame larger than max_frame_size (RFC 6455, 10.4)",
            Violation::MessageTooBig => c"message larger than max_message_size (RFC 6455, 10.4)",
            Violation::TooManyFragments => c"message of more frames than max_fragments (RFC 6455, 10.4)",
            Violation::TooManyEmptyFragments => {
                c"message of more empty frames than max_empty_fragments (RFC 6455, 10.4)"
            }
            Violation::TooManyControlFrames => {
                c"more pings and pongs in a second than max_control_rate (RFC 6455, 10.4)"
            }
            Violation::ConnectionTooBig => c"connection holds more than max_connection_bytes (RFC 6455, 10.4)",
            Violation::EngineTooBig => c"all connections hold more than max_engine_bytes (RFC 6455, 10.4)",
            Violation::CompressedControl => c"control frame with the compression bit RSV1 (RFC 7692, 6.1)",
            Violation::CompressedContinuation => c"continuation frame with the compression bit RSV1 (RFC 7692, 6.1)",
            Violation::DeflateInvalid => c"compressed message that is not valid deflate data (RFC 7692, 7.2.2)",
            Violation::DeflateCutShort => c"compressed message that ends inside a deflate block (RFC 7692, 7.2.2)",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_at_its_index_and_has_a_name_of_its_own() {
        for (i, violation) in Violation::ALL.into_iter().enumerate() {
            assert_eq!(violation.index(), i, "{violation:?}");
            assert_eq!(violation.name().replace('_', ""), format!("{violation:?}").to_lowercase());
        }
    }
}
