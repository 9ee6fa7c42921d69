// SPDX-License-Identifier: Apache-2.0
// Text in manual pages, roff(7).
#pragma once

#include <string>
#include <string_view>

namespace crgen {

/// The first line of a manual page: `title` is in capitals, `program` its name and version,
/// `manual` what the page is of. The date is that of the version.
std::string RoffTitle(std::string_view title, int section, std::string_view program,
                      std::string_view manual);

/// `text` as roff would print it: what is special to it is escaped. Backticks become bold.
std::string RoffText(std::string_view text);

/// Lines that are printed as they are.
std::string RoffExample(std::string_view lines);

}  // namespace crgen
