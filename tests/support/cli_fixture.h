// SPDX-License-Identifier: Apache-2.0
// Runs `crgen` as a user does: through the shell, in a folder of its own.
#pragma once

#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

namespace crgen::test {

namespace fs = std::filesystem;

struct Ran {
  int code;
  std::string out;
  std::string err;
};

inline std::string ReadFileText(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

class CliTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "crgen-cli-XXXXXX").string();
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    folder_ = name;
  }
  void TearDown() override { fs::remove_all(folder_); }

  /// Runs `crgen arguments` through the shell.
  Ran Crgen(const std::string& arguments) {
    const std::string command = std::string(CRGEN_BINARY) + " " + arguments + " >" +
                                (folder_ / "out").string() + " 2>" + (folder_ / "err").string();
    const int status = std::system(command.c_str());
    return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, ReadFileText(folder_ / "out"),
            ReadFileText(folder_ / "err")};
  }

  static std::string Dump(const std::string& name) { return CRGEN_FIXTURES "/dumps/" + name; }
  static std::string Golden(const std::string& name) {
    return ReadFileText(fs::path(CRGEN_GOLDEN) / (name + ".json"));
  }

  /// A copy of a dump that a test may spoil.
  fs::path CopyOf(const std::string& name) {
    fs::copy(Dump(name), folder_ / name, fs::copy_options::recursive);
    return folder_ / name;
  }

  /// A copy of the dump "pipeline" with what no command says: a message in what is no socket, and
  /// labels.
  fs::path WithUnsupported() {
    const fs::path dump = CopyOf("pipeline");
    std::ofstream(dump / "sk-queues.img", std::ios::binary | std::ios::app)
        .write("\4\0\0\0\x08\1\x10\0", 8);                      // no bytes for file 1
    const std::uint32_t words[] = {0x54564319, 0x59423047, 0};  // the magics; an empty entry
    std::ofstream(dump / "apparmor.img", std::ios::binary)
        .write(reinterpret_cast<const char*>(words), sizeof words);
    return dump;
  }

  fs::path folder_;
};

}  // namespace crgen::test
