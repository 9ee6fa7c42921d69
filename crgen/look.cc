// SPDX-License-Identifier: Apache-2.0
#include "crgen/look.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <thread>

namespace crgen {

void OpenLook(const std::string& path, Look* look) {
  look->source = OpenDump(path, look->findings);
  if (look->source == nullptr) return;
  look->pages = std::make_unique<PageImages>(*look->source);
  LoadOptions options = {TerminalProgress("reading process"),
                         std::max(1U, std::thread::hardware_concurrency())};
  options.unplanned = &look->unplanned;
  look->whole = Succeeded(LoadDump(*look->source, &look->snapshot, look->findings, options));
}

ViewOptions OptionsOfTerminal() {
  ViewOptions options;
  if (isatty(STDOUT_FILENO) == 0) return options;
  struct winsize size = {};
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0) options.columns = size.ws_col;
  const char* no_colour = std::getenv("NO_COLOR");
  options.colour = no_colour == nullptr || *no_colour == '\0';
  return options;
}

ExitCode PrintView(const std::string& text) {
  Diagnostics diag;
  Output output("");
  if (Succeeded(output.Write(text, diag))) return ExitCode::kOk;
  PrintDiagnostics(diag);
  return ExitCode::kBadInput;
}

}  // namespace crgen
