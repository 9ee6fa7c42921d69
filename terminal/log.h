// SPDX-License-Identifier: Apache-2.0
// The one place where words of our programs reach a terminal: standard error, escaped. Whoever logs
// need not care where a name came from.
// This folder may include: model.
#pragma once

#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <ostream>
#include <string>

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

/// Lets spdlog write "program: error: …" to standard error.
inline void LogToTerminal(const std::string& program) {
  spdlog::set_default_logger(spdlog::stderr_color_mt(program));
  auto formatter = std::make_unique<spdlog::pattern_formatter>();
  formatter->add_flag<PrintableMessage>('*').set_pattern(program + ": %^%l%$: %*");
  spdlog::set_formatter(std::move(formatter));
}

/// Whether all that was put into `output` is written; said, if it is not.
inline bool WroteAll(std::ostream& output) {
  if (output.flush()) return true;
  spdlog::error("standard output: {}", std::strerror(errno == 0 ? EIO : errno));
  return false;
}

}  // namespace crgen
