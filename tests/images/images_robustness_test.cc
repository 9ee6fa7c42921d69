// SPDX-License-Identifier: Apache-2.0
// Every image of every fixture, cut at every length and with every byte flipped: a located error,
// or a model that gives a program which the checker accepts. CRGEN_THOROUGH=1 takes every byte of
// the larger images too, not one in some.
#include <gtest/gtest.h>
#include <malloc.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>

#include "tests/support/dump_judge.h"
#include "tests/support/image_support.h"

#ifdef CRGEN_SANITIZED
#include <sanitizer/common_interface_defs.h>
#else

namespace {

// Atomic: images are read ahead by a second thread.
std::atomic<std::size_t> g_allocated = 0, g_peak = 0;

void CountAllocated(std::size_t size) {
  const std::size_t now = g_allocated += size;
  std::size_t peak = g_peak;
  while (peak < now && !g_peak.compare_exchange_weak(peak, now)) {
  }
}

}  // namespace

// Not inlined: the compiler would see new matched with free().
[[gnu::noinline]] void* operator new(std::size_t size) {
  void* memory = std::malloc(size);
  if (memory == nullptr) throw std::bad_alloc();
  CountAllocated(malloc_usable_size(memory));
  return memory;
}
[[gnu::noinline]] void operator delete(void* memory) noexcept {
  if (memory != nullptr) g_allocated -= malloc_usable_size(memory);
  std::free(memory);
}
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept {
  if (memory != nullptr) g_allocated -= malloc_usable_size(memory);
  std::free(memory);
}
#endif

namespace crgen {
namespace {

using namespace test;  // NOLINT: the vocabulary of these tests

constexpr unsigned kHangSeconds = 60;
constexpr std::size_t kMemoryBase = 1 << 20;  // bytes; beside it, a few times the dump's own

char g_mutant[256];  // which one is at work, for a report of a crash

void TellMutant() {
  (void)!write(STDERR_FILENO, g_mutant, std::strlen(g_mutant));
  (void)!write(STDERR_FILENO, "\n", 1);
}

void OnSignal(int number) {
  TellMutant();
  signal(number, SIG_DFL);
  raise(number);
}

#ifdef CRGEN_SANITIZED
void WatchForCrashes() {
  signal(SIGALRM, OnSignal);
  __sanitizer_set_death_callback(TellMutant);
}
void StartCounting() {}
std::size_t PeakBytes() { return 0; }
constexpr std::size_t kCoarser = 3;  // each mutant takes about ten times as long
#else
constexpr std::size_t kCoarser = 1;
void WatchForCrashes() {
  for (int number : {SIGALRM, SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL}) signal(number, OnSignal);
}
std::size_t g_before = 0;
void StartCounting() { g_peak = g_before = g_allocated.load(); }
std::size_t PeakBytes() { return g_peak - g_before; }
#endif

bool Thorough() { return std::getenv("CRGEN_THOROUGH") != nullptr; }

struct Figures {
  std::size_t images = 0, mutants = 0, errors = 0, unsupported = 0, refused = 0, programs = 0;
  std::size_t peak = 0;
  double slowest = 0;
};

/// One mutant after the other, of one fixture.
class Mutants {
 public:
  explicit Mutants(const std::string& fixture) : fixture_(fixture), files_(ReadFixture(fixture)) {}

  void Run();
  const Figures& figures() const { return figures_; }

 private:
  void RunImage(const std::string& image, const std::string& content);
  void Try(const std::string& image, const std::string& content, const char* how, std::size_t at);
  /// What is wrong with how the dump was taken; empty: nothing.
  std::string Judge(const std::string& image, const std::string& content);

  const std::string fixture_;
  const Files files_;
  GenerateOptions options_;
  Figures figures_;
  std::size_t own_peak_ = 0;
  int failures_ = 0;
};

std::string Mutants::Judge(const std::string& image, const std::string& content) {
  ChangedDump source(files_, image, content);
  const DumpVerdict verdict = JudgeDump(source, options_);
  figures_.errors += verdict.fate == DumpFate::kErrors;
  figures_.refused += verdict.fate == DumpFate::kRefused;
  figures_.programs += verdict.fate == DumpFate::kProgram;
  figures_.unsupported += verdict.unsupported;
  return verdict.complaint;
}

void Mutants::Try(const std::string& image, const std::string& content, const char* how,
                  std::size_t at) {
  std::snprintf(g_mutant, sizeof g_mutant, "%s/%s %s %zu", fixture_.c_str(), image.c_str(), how,
                at);
  ++figures_.mutants;
  alarm(kHangSeconds);
  StartCounting();
  const auto start = std::chrono::steady_clock::now();
  const std::string complaint = Judge(image, content);
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  const std::size_t peak = PeakBytes();
  alarm(0);
  figures_.slowest = std::max(figures_.slowest, seconds.count());
  figures_.peak = std::max(figures_.peak, peak);
  if (!complaint.empty() && ++failures_ <= 20) {
    ADD_FAILURE() << g_mutant << ": " << complaint;
  }
  if (own_peak_ != 0 && peak > 4 * own_peak_ + kMemoryBase && ++failures_ <= 20) {
    ADD_FAILURE() << g_mutant << ": " << peak << " bytes of memory, " << own_peak_
                  << " without the change";
  }
}

/// Every how many bytes an image is changed in the default run.
std::size_t Stride(const std::string& image, std::size_t size) {
  if (Thorough()) return 1;
  const bool core = image.find("core-") != std::string::npos;
  return kCoarser * std::max<std::size_t>(1, core ? 41 : size / 149);
}

void Mutants::RunImage(const std::string& image, const std::string& content) {
  ++figures_.images;
  const std::size_t stride = Stride(image, content.size());
  std::string changed;
  for (std::size_t length = figures_.images % stride; length < content.size(); length += stride) {
    changed.assign(content, 0, length);
    Try(image, changed, "cut to", length);
  }
  for (int mask : {0xff, 0x01}) {
    changed = content;
    for (std::size_t at = figures_.images % stride; at < content.size(); at += stride) {
      changed[at] = static_cast<char>(content[at] ^ mask);
      Try(image, changed, mask == 1 ? "^0x01 at" : "^0xff at", at);
      changed[at] = content[at];
    }
  }
}

void Mutants::Run() {
  Try("", "", "as it is", 0);
  own_peak_ = PeakBytes();
  for (const auto& [image, content] : files_) {
    if (image.find("pages-") == std::string::npos) RunImage(image, content);
  }
}

class Robustness : public ::testing::TestWithParam<std::string> {};

TEST_P(Robustness, EveryImageCutAndFlipped) {
  WatchForCrashes();
  Mutants mutants(GetParam());
  mutants.Run();
  const Figures& f = mutants.figures();
  std::printf(
      "%zu images, %zu mutants: %zu errors, %zu unsupported, %zu refused, %zu programs; "
      "slowest %.1f ms, peak %zu KiB\n",
      f.images, f.mutants, f.errors, f.unsupported, f.refused, f.programs, f.slowest * 1000,
      f.peak / 1024);
}

INSTANTIATE_TEST_SUITE_P(Fixtures, Robustness, ::testing::ValuesIn(FixtureNames()),
                         [](const auto& fixture) { return fixture.param; });

}  // namespace
}  // namespace crgen
