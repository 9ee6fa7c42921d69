// Writes what the fuzzers begin with: a program for each golden file, in FOLDER/program, and every
// image of every fixture, in FOLDER/images.
// usage: make_corpus FOLDER
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>

#include "fuzz/image_input.h"

namespace {

namespace fs = std::filesystem;
using namespace crgen;  // NOLINT: a small program

/// Larger ones would only slow the fuzzer down.
constexpr std::size_t kLargestImage = 1 << 14;

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
  for (std::size_t base = 0; base < fuzz::Bases().size(); ++base) {
    fuzz::ImageInput input;
    input.base = static_cast<std::uint8_t>(base);
    for (std::size_t image = 0; image < input.base_dump().images.size(); ++image) {
      const std::string& content = input.base_dump().files.at(input.base_dump().images[image]);
      if (content.size() > kLargestImage) continue;
      input.changes = {{static_cast<std::uint8_t>(image), content}};
      const std::string name = std::to_string(base) + "-" + std::to_string(image);
      std::ofstream(folder / "images" / name, std::ios::binary) << input.Encode();
    }
  }
  return 0;
}
