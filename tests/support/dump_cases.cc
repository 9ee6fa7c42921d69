// SPDX-License-Identifier: Apache-2.0
#include <fstream>
#include <set>

#include "tests/support/dump_edit.h"

namespace crgen::test {

std::vector<DumpCase> ReadDumpCases(const std::string& path) {
  struct Block {
    std::string name;
    std::vector<std::string> edits, expected;
  };
  std::vector<Block> blocks;
  std::set<std::string> names;
  std::ifstream in(path);
  for (std::string line; std::getline(in, line);) {
    if (line.empty() || line.starts_with('#')) continue;
    if (!line.starts_with("  ")) {
      EXPECT_TRUE(names.insert(line).second) << path << ": two cases are named " << line;
      blocks.push_back({line, {}, {}});
    } else if (blocks.empty()) {
      ADD_FAILURE() << path << ": begins without the name of a case";
    } else if (line.starts_with("  > ")) {
      blocks.back().expected.push_back(line.substr(4));
    } else {
      blocks.back().edits.push_back(line.substr(2));
    }
  }
  EXPECT_FALSE(blocks.empty()) << path << " has no cases";
  std::vector<DumpCase> cases;
  for (Block& block : blocks) {
    auto change = [path, name = block.name, edits = block.edits](Dump& dump) {
      for (const std::string& edit : edits) {
        EXPECT_EQ(ApplyEdit(edit, &dump), "") << path << ", " << name;
      }
    };
    cases.push_back({std::move(block.name), std::move(change), std::move(block.expected)});
  }
  return cases;
}

}  // namespace crgen::test
