// SPDX-License-Identifier: Apache-2.0
// Changes of a dump and what is to be said of them, as text: tests/images/errors/README.md.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tests/support/image_builder.h"

namespace crgen::test {

/// Makes one change, such as `core-10.img[0].tc.task_state = 4`. Returns why it cannot be made, or
/// nothing.
std::string ApplyEdit(std::string_view edit, Dump* dump);

/// The cases of a file. What is wrong with the file itself is a failure of the test.
std::vector<DumpCase> ReadDumpCases(const std::string& path);

}  // namespace crgen::test
