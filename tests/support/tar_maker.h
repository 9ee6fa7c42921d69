// SPDX-License-Identifier: Apache-2.0
// Archives byte for byte, also such as no tar(1) makes.
#pragma once

#include <archive.h>
#include <archive_entry.h>
#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string>

#include "tests/support/image_support.h"

namespace crgen::test {

/// What a header says beside the name, whether it is true or not.
struct TarHeader {
  char kind = '0';  ///< '0' a file, '1' a hard link, '2' a symbolic one, '3' … '6' as in tar(5)
  std::string target = {};
  std::uint64_t size = 0;
};

/// ustar; sizes from 8 GiB on as GNU has them.
inline std::string TarBlock(const std::string& name, const TarHeader& header) {
  std::array<char, 512> block = {};
  const auto octal = [&](std::size_t at, int digits, std::uint64_t value) {
    std::snprintf(&block[at], static_cast<std::size_t>(digits) + 1, "%0*llo", digits,
                  static_cast<unsigned long long>(value));
  };
  name.copy(block.data(), 100);
  octal(100, 7, 0644);
  octal(108, 7, 0);
  octal(116, 7, 0);
  if (header.size < std::uint64_t{1} << 33) {
    octal(124, 11, header.size);
  } else {
    block[124] = '\x80';
    for (int i = 0; i < 8; ++i) {
      block[static_cast<std::size_t>(135 - i)] = static_cast<char>(header.size >> (8 * i));
    }
  }
  octal(136, 11, 0);
  std::memset(&block[148], ' ', 8);
  block[156] = header.kind;
  header.target.copy(&block[157], 100);
  std::memcpy(&block[257], "ustar\00000", 8);
  std::uint64_t sum = 0;
  for (const char c : block) sum += static_cast<unsigned char>(c);
  octal(148, 6, sum);
  return {block.data(), block.size()};
}

inline std::string TarFile(const std::string& name, const std::string& content) {
  std::string text = TarBlock(name, {'0', "", content.size()}) + content;
  text.resize((text.size() + 511) / 512 * 512);
  return text;
}

/// A record of a pax header: "27 size=…\n".
inline std::string PaxRecord(const std::string& keyword, const std::string& value) {
  const std::string end = " " + keyword + "=" + value + "\n";
  std::size_t length = end.size() + 1;
  while (std::to_string(length).size() + end.size() != length) ++length;
  return std::to_string(length) + end;
}

/// What is said of the file that comes next.
inline std::string PaxHeader(const std::string& records) {
  std::string text = TarFile("pax", records);
  return TarBlock("pax", {'x', "", records.size()}) + text.substr(512);
}

/// A sparse file that has only its first byte.
inline std::string TarSparse(const std::string& name, std::uint64_t size) {
  return PaxHeader(PaxRecord("GNU.sparse.size", std::to_string(size)) +
                   PaxRecord("GNU.sparse.numblocks", "1") + PaxRecord("GNU.sparse.map", "0,1")) +
         TarFile(name, "x");
}

inline std::string TarEnd() { return std::string(1024, '\0'); }

inline std::string TarOf(const Files& files, const std::string& folder) {
  std::string text = folder.empty() ? "" : TarBlock(folder, {'5'});
  for (const auto& [name, content] : files) text += TarFile(folder + name, content);
  return text;
}

/// `bytes` compressed by "gzip", "zstd" or "xz"; "": as they are.
inline std::string Compressed(const std::string& bytes, const std::string& how) {
  if (how.empty()) return bytes;
  std::string out;
  archive* writer = archive_write_new();
  archive_write_set_format_raw(writer);
  EXPECT_EQ(archive_write_add_filter_by_name(writer, how.c_str()), ARCHIVE_OK);
  archive_write_set_bytes_in_last_block(writer, 1);
  const auto take = [](archive*, void* to, const void* from, std::size_t size) {
    static_cast<std::string*>(to)->append(static_cast<const char*>(from), size);
    return static_cast<la_ssize_t>(size);
  };
  EXPECT_EQ(archive_write_open(writer, &out, nullptr, take, nullptr), ARCHIVE_OK);
  archive_entry* entry = archive_entry_new();
  archive_entry_set_pathname(entry, "data");
  archive_entry_set_filetype(entry, AE_IFREG);
  EXPECT_EQ(archive_write_header(writer, entry), ARCHIVE_OK);
  EXPECT_EQ(archive_write_data(writer, bytes.data(), bytes.size()),
            static_cast<la_ssize_t>(bytes.size()));
  archive_entry_free(entry);
  archive_write_free(writer);
  return out;
}

}  // namespace crgen::test
