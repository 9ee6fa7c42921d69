// SPDX-License-Identifier: Apache-2.0
// Files of this machine that a restore needs, held open so that they stay what they were judged by.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "model/files/inode_handle.h"
#include "model/values.h"

namespace crgen {

/// Descriptors made with O_PATH: to open one is to open /proc/self/fd/<number>. Closed with the
/// object.
class HostFiles {
 public:
  HostFiles() = default;
  HostFiles(const HostFiles&) = delete;
  HostFiles& operator=(const HostFiles&) = delete;
  ~HostFiles() { Close(); }

  /// The descriptor of a page image, of what a path leads to, or of the symbolic link `path`
  /// itself; -1: none is held.
  int image(const std::string& name) const { return Find(images_, name); }
  /// `each` of those of page images.
  template <typename Each>
  void ForEachImage(Each&& each) const {
    for (const auto& [name, fd] : images_) each(name, fd);
  }
  int file(const std::string& path) const { return Find(files_, path); }
  int link(const std::string& path) const { return Find(links_, path); }

  /// Take over `fd`.
  void HoldImage(const std::string& name, int fd) { images_.emplace(name, fd); }
  /// Whoever needed it has what he needed.
  void CloseImage(const std::string& name);
  void HoldFile(const std::string& path, int fd) { files_.emplace(path, fd); }
  void CloseFile(const std::string& path);
  /// Likewise of what is watched, by WatchedKey().
  int watched(const std::string& key) const { return Find(watched_, key); }
  void HoldWatched(const std::string& key, int fd) { watched_.emplace(key, fd); }
  void HoldLink(const std::string& path, int fd) { links_.emplace(path, fd); }
  /// Likewise of what the caller names for a namespace (preflight/namespace_options.h).
  int place(const std::string& name) const { return Find(places_, name); }
  void HoldPlace(const std::string& name, int fd) { places_.emplace(name, fd); }

  /// All of them.
  void Close();

 private:
  using Descriptors = std::unordered_map<std::string, int>;
  static int Find(const Descriptors& among, const std::string& name) {
    const auto found = among.find(name);
    return found == among.end() ? -1 : found->second;
  }

  static void CloseAmong(Descriptors& among, const std::string& name);

  Descriptors images_, files_, links_, watched_, places_;
};

/// The same for watches that name one inode in one way.
std::string WatchedKey(const std::optional<Text>& path, const std::optional<InodeHandle>& handle);

/// openat2(2) with O_PATH: opens nothing but the way to it, so it neither waits for a FIFO nor
/// wakes a device. `flags`: O_NOFOLLOW, O_DIRECTORY; `resolve`: RESOLVE_ flags. Raises the soft
/// limit of descriptors to the hard one where it is reached. -1: errno says why.
int OpenPath(int folder, const std::string& path, int flags, unsigned long long resolve);

/// The same from this process's root directory, following links only where root alone can have put
/// them (preflight/trusted_path.h): ELOOP.
int OpenTrusted(const std::string& path, int flags);

/// Who else than root can change where `path` leads: the first on the way; none: nobody. What is
/// not there changes nothing.
std::optional<std::uint32_t> ForeignOwnerOf(const std::string& path);

/// What the two say by errno.
std::string PathErrorText(int error);

/// Opens what `held` leads to: open(2) without looking up a name. -1: errno says why.
int Reopen(int held, int flags);

/// The NT_GNU_BUILD_ID note of the ELF file `fd`; empty: it has none.
std::string BuildId(int fd);

/// "0x…" without the 0x.
std::string Hexadecimal(std::string_view bytes);

}  // namespace crgen
