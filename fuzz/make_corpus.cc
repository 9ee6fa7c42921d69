// SPDX-License-Identifier: Apache-2.0
// Writes what the fuzzers begin with: the golden programs in FOLDER/program and FOLDER/restorer,
// some images of each kind from the fixtures in FOLDER/images, and archives of a few in
// FOLDER/archive. usage: make_corpus FOLDER
#include <archive.h>
#include <archive_entry.h>

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

/// What is small of a fixture.
void WriteArchive(const fs::path& path, const char* format, const char* filter) {
  archive* writer = archive_write_new();
  archive_write_set_format_by_name(writer, format);
  archive_write_add_filter_by_name(writer, filter);
  archive_write_open_filename(writer, path.c_str());
  for (const auto& [name, content] : fuzz::Bases().front().files) {
    if (content.size() > kLargestImage) continue;
    archive_entry* entry = archive_entry_new();
    archive_entry_set_pathname(entry, ("checkpoint/" + name).c_str());
    archive_entry_set_filetype(entry, AE_IFREG);
    archive_entry_set_perm(entry, 0600);
    archive_entry_set_size(entry, static_cast<la_int64_t>(content.size()));
    archive_write_header(writer, entry);
    archive_write_data(writer, content.data(), content.size());
    archive_entry_free(entry);
  }
  archive_write_free(writer);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: make_corpus FOLDER\n");
    return 2;
  }
  const fs::path folder = argv[1];
  fs::create_directories(folder / "program");
  fs::create_directories(folder / "restorer");
  fs::create_directories(folder / "images");
  fs::create_directories(folder / "archive");
  for (const char* format : {"ustar", "pax", "gnutar"}) {
    for (const char* filter : {"none", "gzip", "zstd", "xz"}) {
      WriteArchive(folder / "archive" / (std::string(format) + "." + filter), format, filter);
    }
  }
  for (const auto& entry : fs::directory_iterator(CRGEN_GOLDEN)) {
    if (entry.path().extension() != ".json") continue;
    for (const char* target : {"program", "restorer"}) {
      fs::copy_file(entry.path(), folder / target / entry.path().filename(),
                    fs::copy_options::overwrite_existing);
    }
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
