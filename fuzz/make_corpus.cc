// Writes what the fuzzers begin with: the golden programs in FOLDER/program, and some images of
// each kind from the fixtures in FOLDER/images. usage: make_corpus FOLDER
#include <cctype>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>

#include "fuzz/image_input.h"

namespace {

namespace fs = std::filesystem;
using namespace crgen;  // NOLINT: a small program

/// Larger ones would only slow the fuzzer down.
constexpr std::size_t kLargestImage = 1 << 14;
constexpr int kOfEachKind = 3;

/// "core-31100.img" and "core-31101.img" are of one kind.
std::string KindOf(std::string name) {
  std::erase_if(name, [](unsigned char c) { return std::isdigit(c) != 0; });
  return name;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: make_corpus FOLDER\n");
    return 2;
  }
  const fs::path folder = argv[1];
  fs::create_directories(folder / "program");
  fs::create_directories(folder / "images");
  for (const auto& entry : fs::directory_iterator(CRGEN_GOLDEN)) {
    if (entry.path().extension() != ".json") continue;
    fs::copy_file(entry.path(), folder / "program" / entry.path().filename(),
                  fs::copy_options::overwrite_existing);
  }
  std::map<std::string, int> of_kind;
  for (std::size_t base = 0; base < fuzz::Bases().size(); ++base) {
    fuzz::ImageInput input;
    input.base = static_cast<std::uint8_t>(base);
    for (std::size_t image = 0; image < input.base_dump().images.size(); ++image) {
      const std::string& image_name = input.base_dump().images[image];
      const std::string& content = input.base_dump().files.at(image_name);
      if (content.size() > kLargestImage || of_kind[KindOf(image_name)]++ >= kOfEachKind) continue;
      input.changes = {{static_cast<std::uint8_t>(image), content}};
      const std::string name = std::to_string(base) + "-" + std::to_string(image);
      std::ofstream(folder / "images" / name, std::ios::binary) << input.Encode();
    }
  }
  return 0;
}
