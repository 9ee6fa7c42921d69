// SPDX-License-Identifier: Apache-2.0
// What is read out of a vdso: this kernel's, held against the dynamic linker; damaged ones; and
// digests.
#include "model/vdso.h"

#include <dlfcn.h>
#include <elf.h>
#include <gtest/gtest.h>
#include <sys/auxv.h>

#include <algorithm>
#include <cstring>
#include <random>

#include "model/digest.h"
#include "model/ids.h"
#include "tests/support/own_vdso.h"

namespace crgen {
namespace {

TEST(VdsoTest, IsWhatTheDynamicLinkerFinds) {
  const std::string bytes = test::OwnVdso();
  const auto vdso = ParseVdso(bytes);
  ASSERT_TRUE(vdso);
  EXPECT_EQ(vdso->size, bytes.size());
  EXPECT_EQ(vdso->build_id.size(), 40U);
  EXPECT_TRUE(std::ranges::is_sorted(vdso->symbols, {}, &VdsoSymbol::name));
  void* library = dlopen("linux-vdso.so.1", RTLD_NOW | RTLD_NOLOAD);
  ASSERT_NE(library, nullptr) << dlerror();
  const std::uint64_t start = getauxval(AT_SYSINFO_EHDR);
  EXPECT_GE(vdso->symbols.size(), 4U);
  for (const VdsoSymbol& symbol : vdso->symbols) {
    void* found = dlvsym(library, symbol.name.c_str(), "LINUX_2.6");
    EXPECT_EQ(reinterpret_cast<std::uint64_t>(found), start + symbol.offset.value) << symbol.name;
  }
  const auto named = [&](const char* name) {
    return std::ranges::count(vdso->symbols, std::string(name), &VdsoSymbol::name);
  };
  EXPECT_EQ(named("__vdso_clock_gettime"), 1);
  dlclose(library);
}

/// Without the older table, whose header alone says how many symbols there are.
TEST(VdsoTest, CountsSymbolsByEitherTable) {
  std::string bytes = test::OwnVdso();
  const auto whole = ParseVdso(bytes);
  ASSERT_TRUE(whole);
  Elf64_Ehdr header;
  std::memcpy(&header, bytes.data(), sizeof header);
  int tables = 0;
  for (unsigned i = 0; i < header.e_phnum; ++i) {
    Elf64_Phdr segment;
    std::memcpy(&segment, bytes.data() + header.e_phoff + i * sizeof segment, sizeof segment);
    if (segment.p_type != PT_DYNAMIC) continue;
    for (std::uint64_t at = segment.p_offset; at < segment.p_offset + segment.p_filesz;
         at += sizeof(Elf64_Dyn)) {
      Elf64_Dyn entry;
      std::memcpy(&entry, bytes.data() + at, sizeof entry);
      tables += entry.d_tag == DT_HASH || entry.d_tag == DT_GNU_HASH;
      if (entry.d_tag != DT_HASH) continue;
      entry.d_tag = DT_DEBUG;
      std::memcpy(bytes.data() + at, &entry, sizeof entry);
    }
  }
  if (tables != 2) GTEST_SKIP() << "this kernel's vdso has one table";
  EXPECT_EQ(ParseVdso(bytes), whole);
}

/// Whatever is damaged, nothing outside is read (ASan sees it), and nothing impossible is said.
TEST(VdsoTest, SurvivesDamage) {
  const std::string good = test::OwnVdso();
  std::mt19937 random(7);
  int refused = 0;
  for (int i = 0; i < 20000; ++i) {
    std::string bytes = good;
    for (int change = 0; change < 1 + i % 4; ++change) {
      // Where headers and tables are.
      bytes[random() % std::min<std::size_t>(bytes.size(), 0x800)] = static_cast<char>(random());
    }
    if (i % 16 == 0) bytes.resize(kPageSize);
    const std::vector<char> exact(bytes.begin(), bytes.end());
    const auto vdso = ParseVdso(exact);
    refused += !vdso;
    if (!vdso) continue;
    EXPECT_EQ(vdso->size, exact.size());
    EXPECT_LE(vdso->symbols.size(), Vdso::kMostSymbols);
    for (const VdsoSymbol& symbol : vdso->symbols) EXPECT_LT(symbol.offset.value, vdso->size);
  }
  EXPECT_GT(refused, 100);
  EXPECT_FALSE(ParseVdso({}));
  EXPECT_FALSE(ParseVdso(good.substr(0, good.size() - 1)));
  EXPECT_FALSE(ParseVdso(std::string(kPageSize, '\0')));
  EXPECT_FALSE(ParseVdso(good + std::string(Vdso::kMostBytes, '\0')));
}

/// FIPS 180-4's own examples.
TEST(DigestTest, IsSha256) {
  EXPECT_EQ(Sha256().Finish().text,
            "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  Sha256 sum;
  for (const char* piece : {"a", "", "bc"}) sum.Add({piece, std::strlen(piece)});
  const Digest digest = sum.Finish();
  EXPECT_EQ(digest.text, "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_TRUE(digest.IsWellFormed());
  EXPECT_EQ(digest.algorithm(), "sha256");
}

TEST(DigestTest, HasOneForm) {
  const std::string digits(64, '0');
  for (const std::string& good : {"sha256:" + digits, "sha512:" + digits + digits}) {
    EXPECT_TRUE(Digest{good}.IsWellFormed()) << good;
  }
  for (const std::string& bad :
       {std::string(), digits, ":" + digits, "SHA256:" + digits, "2:" + digits,
        std::string("sha256:"), "sha256:" + digits.substr(0, 31),
        "sha256:" + digits.substr(1) + "A", "sha256:" + digits + ":",
        "a123456789012345x:" + digits}) {
    EXPECT_FALSE(Digest{bad}.IsWellFormed()) << bad;
  }
}

}  // namespace
}  // namespace crgen
