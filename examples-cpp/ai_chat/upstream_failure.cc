#include "upstream_failure.h"

#include <cstring>
#include <utility>

namespace ai_chat {

namespace {

constexpr const char* kUnreachable = "upstream_unreachable";
constexpr const char* kTimeout = "upstream_timeout";
constexpr const char* kStatus = "upstream_status";
constexpr const char* kProtocol = "upstream_protocol";

// The server is busy, or somebody between has lost it.
bool isPassingStatus(long status) { return status == 408 || status == 429 || (status >= 500 && status <= 599); }

UpstreamFailure failure(const char* code, std::string message, bool isPassing) {
  UpstreamFailure result{code, std::move(message)};
  result.isPassing = isPassing;
  return result;
}

UpstreamFailure failureOf(CURLcode result, long osError, double connectTimeout) {
  switch (result) {
    case CURLE_OPERATION_TIMEDOUT:
      return failure(kTimeout, "no connection to the model's server within " + inSeconds(connectTimeout), true);
    case CURLE_COULDNT_CONNECT: {
      const std::string why =
          osError != 0 ? std::string(": ") + std::strerror(static_cast<int>(osError)) : std::string();
      return failure(kUnreachable, "the model's server cannot be reached" + why, true);
    }
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
      return failure(kUnreachable, "the model's server cannot be reached: its name is not known", true);
    case CURLE_SSL_CONNECT_ERROR:
      return failure(kUnreachable, "the model's server cannot be reached: TLS failed", true);
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
      return failure(kUnreachable, "the model's server cannot be reached: TLS failed", false);
    case CURLE_OUT_OF_MEMORY:
      return failure(kUnreachable, "the chat server has no memory or file descriptors left to ask the model", true);
    case CURLE_GOT_NOTHING:
      return failure(kProtocol, "the model's server closed the connection without an answer", true);
    case CURLE_PARTIAL_FILE:
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
    case CURLE_HTTP2:
    case CURLE_HTTP2_STREAM:
      return failure(kProtocol, "the model's server closed the connection before the answer was complete", true);
    default:
      return failure(kProtocol, std::string("the model's server broke the protocol: ") + curl_easy_strerror(result),
                     false);
  }
}

}  // namespace

UpstreamFailure transportFailure(CURLcode result, const char* curlError, long osError, double connectTimeout) {
  UpstreamFailure failure = failureOf(result, osError, connectTimeout);
  failure.detail = curl_easy_strerror(result);
  if (*curlError != '\0') failure.detail += std::string(" (") + curlError + ")";
  return failure;
}

UpstreamFailure statusFailure(long status, std::string_view body) {
  UpstreamFailure result = failure(kStatus, "the model's server answered with HTTP " + std::to_string(status), false);
  if (status >= 300 && status < 400) result.message += " (redirects are not followed)";
  result.words = decodeErrorMessage(body);
  result.isPassing = result.isRetryable = isPassingStatus(status);
  return result;
}

UpstreamFailure answerFailure(const AnswerReader::Failure& what) {
  // An error in the stream that tells its status is what would have been the status, had the server known in time.
  const bool hasStatus = what.status != 0;
  UpstreamFailure result = failure(hasStatus ? kStatus : kProtocol, what.message, false);
  if (hasStatus) {
    result.message += " (" + std::to_string(what.status) + ")";
    result.isPassing = result.isRetryable = isPassingStatus(what.status);
  } else {
    result.isPassing = what.kind == AnswerReader::Failure::Kind::kBrokeOff;
  }
  result.words = what.words;
  return result;
}

// Not passing: who has waited for a minute is better asked than made to wait for another.
UpstreamFailure silenceFailure(bool hasBegun, double seconds) {
  const char* what = hasBegun ? "the model has sent nothing for " : "the model has not begun to answer within ";
  return failure(kTimeout, what + inSeconds(seconds), false);
}

std::string inSeconds(double value) {
  std::string text = std::to_string(value);
  text.erase(text.find_last_not_of('0') + 1);
  if (text.back() == '.') text.pop_back();
  return text + " s";
}

}  // namespace ai_chat
