// SPDX-License-Identifier: Apache-2.0
// /proc/PID/smaps within the addresses that programs of the tests use.
#pragma once

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <sstream>
#include <string>
#include <vector>

#include "model/ids.h"
#include "tests/support/kernel_files.h"

namespace crgen::test {

/// Far below everything that a process has of its own, so that only programs map anything here.
inline constexpr AddressRange kArena = {0x10000000, 0x10018000};

/// One line of /proc/PID/maps, with the flags that a program can set: two letters for each, in the
/// order of kVmaFlags.
struct Vma {
  AddressRange range;
  std::string access;  ///< "rw-p"
  std::uint64_t offset = 0;
  std::uint64_t inode = 0;
  std::string path;
  std::string flags;

  bool IsShared() const { return access.back() == 's'; }
};

inline bool IsShmem(const Vma& vma, std::uint64_t inode) {
  return vma.inode == inode && vma.path == "/dev/zero (deleted)";
}

/// mw is may_write, of shared ones; see proc(5) for the others.
inline constexpr const char* kVmaFlags[] = {"mw", "lo", "nr", "rr", "sr", "dc",
                                            "wf", "dd", "hg", "nh", "mg", "dp"};

inline bool ParseVma(const char* line, Vma* vma) {
  unsigned long start, end, offset, inode;
  char access[5];
  int path = 0;
  if (std::sscanf(line, "%lx-%lx %4s %lx %*x:%*x %lu %n", &start, &end, access, &offset, &inode,
                  &path) != 5) {
    return false;
  }
  *vma = {{start, end}, access, offset, inode, line + path, ""};
  while (!vma->path.empty() && vma->path.back() == '\n') vma->path.pop_back();
  return true;
}

inline void ParseVmaFlags(const char* line, Vma* vma) {
  const std::string all = line;
  for (const std::string flag : kVmaFlags) {
    if (flag == "mw" && !vma->IsShared()) continue;
    if (all.find(" " + flag) != all.npos) vma->flags += " " + flag;
  }
}

/// The arena of a process; `pid` may be "self".
inline std::vector<Vma> ReadArena(int proc, const std::string& pid) {
  std::vector<Vma> vmas;
  const int fd = Aside(openat(proc, (pid + "/smaps").c_str(), O_RDONLY | O_CLOEXEC));
  FILE* file = fd < 0 ? nullptr : fdopen(fd, "r");
  if (file == nullptr) return vmas;
  char* line = nullptr;
  std::size_t size = 0;
  Vma vma;
  while (getline(&line, &size, file) > 0) {
    if (ParseVma(line, &vma)) {
      if (vma.range.start >= kArena.end) break;
    } else if (std::string(line).starts_with("VmFlags:")) {
      ParseVmaFlags(line, &vma);
      vmas.push_back(vma);
    }
  }
  std::free(line);
  std::fclose(file);
  return vmas;
}

/// Whether `next`, directly behind `first`, could be one mapping with it. Whether both are mapped
/// from one opening of a file /proc does not tell.
inline bool Continues(const Vma& first, const Vma& next) {
  return first.range.end == next.range.start && first.access == next.access &&
         first.inode == next.inode && first.path == next.path && first.flags == next.flags &&
         (first.inode == 0 || next.offset == first.offset + first.range.size());
}

}  // namespace crgen::test
