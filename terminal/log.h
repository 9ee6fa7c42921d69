// SPDX-License-Identifier: Apache-2.0
// The one place where words of our programs reach a terminal: standard error, escaped. Whoever logs
// need not care where a name came from.
// This folder may include: model.
#pragma once

#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <ostream>
#include <string>
#include <string_view>

#include "model/printable.h"

namespace crgen {

/// The message without anything but text in it, as one line.
class PrintableMessage final : public spdlog::custom_flag_formatter {
 public:
  void format(const spdlog::details::log_msg& message, const std::tm&,
              spdlog::memory_buf_t& out) override {
    const std::string text = Printable({message.payload.data(), message.payload.size()});
    out.append(text.data(), text.data() + text.size());
  }
  std::unique_ptr<custom_flag_formatter> clone() const override {
    return std::make_unique<PrintableMessage>();
  }
};

/// NO_COLOR (no-color.org) or TERM=dumb: neither colours nor lines that are written over.
inline bool WantsPlainText() {
  const char* no_colour = std::getenv("NO_COLOR");
  const char* terminal = std::getenv("TERM");
  return (no_colour != nullptr && *no_colour != '\0') ||
         (terminal != nullptr && std::string_view(terminal) == "dumb");
}

/// Lets spdlog write "program: error: …" to standard error.
inline void LogToTerminal(const std::string& program) {
  spdlog::set_default_logger(spdlog::stderr_color_mt(
      program, WantsPlainText() ? spdlog::color_mode::never : spdlog::color_mode::automatic));
  auto formatter = std::make_unique<spdlog::pattern_formatter>();
  formatter->add_flag<PrintableMessage>('*').set_pattern(program + ": %^%l%$: %*");
  spdlog::set_formatter(std::move(formatter));
}

/// Whether all that was put into `output` is written, or nobody reads any more; said, if not.
inline bool WroteAll(std::ostream& output) {
  if (output.flush() || errno == EPIPE) return true;
  spdlog::error("standard output: {}", std::strerror(errno == 0 ? EIO : errno));
  return false;
}

}  // namespace crgen
