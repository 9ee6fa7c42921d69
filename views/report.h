// SPDX-License-Identifier: Apache-2.0
// A dump as one page for a browser.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "views/view.h"

namespace crgen {

/// One part of what the page has, made when it is written. `name`: what the page's script calls it.
struct ReportSection {
  std::string_view name;
  std::function<std::string()> json;
};

/// One HTML page that needs no other file and no network: `sections` as data, the script that shows
/// them. Nothing of them can become markup or another script: they are JSON without `<`, and a
/// policy (Content-Security-Policy) names the one script that runs. Errors: those of `sink`.
Result WriteReport(std::string_view title, const std::vector<ReportSection>& sections,
                   const std::function<Result(std::string_view text, Diagnostics& diag)>& sink,
                   Diagnostics& diag);

}  // namespace crgen
