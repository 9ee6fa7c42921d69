// SPDX-License-Identifier: Apache-2.0
// One table of exit codes: docs/exit-codes.md, --help and the manual pages have it.
// CRGEN_REBASE=1 rewrites the table of the page.
#include "terminal/exit_codes.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>

namespace crgen {
namespace {

std::string Table() {
  std::string text = "| code | | `crgen` | `crrestore` |\n|---|---|---|---|\n";
  for (const ExitCodeRow& row : kExitCodes) {
    text += "| " + std::to_string(Number(row.code)) + " | " + std::string(row.name);
    for (const std::string_view meaning : {row.of_crgen, row.of_crrestore})
      text += " | " + (meaning.empty() ? "(never)" : std::string(meaning));
    text += " |\n";
  }
  return text;
}

std::string OutputOf(const std::string& line) {
  std::string output;
  if (FILE* pipe = popen(line.c_str(), "r"); pipe != nullptr) {
    for (int byte; (byte = std::fgetc(pipe)) != EOF;) output += static_cast<char>(byte);
    pclose(pipe);
  }
  return output;
}

TEST(ExitCodes, CountFromZero) {
  int next = 0;
  for (const ExitCodeRow& row : kExitCodes) EXPECT_EQ(Number(row.code), next++);
}

TEST(ExitCodes, ThePageHasTheTable) {
  const std::string path = CRGEN_SOURCE "/docs/exit-codes.md";
  std::stringstream read;
  read << std::ifstream(path).rdbuf();
  std::string page = read.str();
  const std::size_t begin = std::min(page.find("| code |"), page.size());
  const std::size_t end = std::min(page.find("\n\n", begin), page.size());
  if (std::getenv("CRGEN_REBASE") != nullptr) {
    std::ofstream(path) << page.substr(0, begin) << Table()
                        << (end < page.size() ? page.substr(end + 1) : "");
  }
  EXPECT_EQ(page.substr(begin, end + 1 - begin), Table());
}

TEST(ExitCodes, HelpAndManualPagesHaveThem) {
  const std::pair<const char*, std::string_view ExitCodeRow::*> programs[] = {
      {CRGEN_BINARY, &ExitCodeRow::of_crgen}, {CRRESTORE_BINARY, &ExitCodeRow::of_crrestore}};
  for (const auto& [program, meaning] : programs) {
    const std::string help = OutputOf(std::string(program) + " --help");
    const std::string page = OutputOf(std::string(program) + " --generate man");
    for (const ExitCodeRow& row : kExitCodes) {
      const std::string number = std::to_string(Number(row.code)), name(row.name);
      const bool ends_so = !(row.*meaning).empty();
      EXPECT_EQ(help.find(number + " " + name) != help.npos, ends_so) << program << " " << number;
      EXPECT_EQ(page.find("\\fB" + number + "\\fR\n" + name + ": ") != page.npos, ends_so)
          << program << " " << number;
    }
  }
}

}  // namespace
}  // namespace crgen
