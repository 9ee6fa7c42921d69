// SPDX-License-Identifier: Apache-2.0
// Paths that unix sockets are to have as names: whether something is in the way.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <set>
#include <string>

#include "model/files/unix_socket.h"
#include "preflight/file_look.h"
#include "preflight/question.h"
#include "preflight/root_view.h"
#include "preflight/socket_files.h"

namespace crgen::preflight {

class SocketNames {
 public:
  /// All must outlive this.
  SocketNames(Context& context, const RootView& root, FileLook& look)
      : context_(context), root_(root), look_(look) {}

  /// One whose name is a file. `elsewhere`: in a mount namespace that is not there yet; `later`:
  /// only the restore makes what is there.
  /// `can_make(folder, name)`: something can be made there, or a finding says why not.
  void Look(const UnixSocket& socket, bool elsewhere, bool later,
            const std::function<bool(const Facts&, const std::string&)>& can_make);
  /// A process has that root: something may have been bound below.
  void LookBelow(const std::string& root);

 private:
  static constexpr std::size_t kMostBelow = 10'000;

  bool IsHidden(std::uint64_t mount, const std::string& path);
  void CheckState(const UnixSocket& socket, const std::string& path, NameState state);
  void CheckWay(const std::string& path, const Facts& folder);
  NameState StateOf(const std::string& path, const Facts& folder);
  void CheckBelow(const std::string& root, const std::string& name);

  Context& context_;
  const RootView& root_;
  FileLook& look_;
  std::size_t looked_below_ = 0;
  std::set<std::string> roots_;       ///< of processes that have another one
  std::set<std::string> free_names_;  ///< absolute ones, where nothing is yet
};

}  // namespace crgen::preflight
