// SPDX-License-Identifier: Apache-2.0
#include "images/namespaces/network_lock.h"

#include <algorithm>
#include <string>

namespace crgen {

void TakeNetworkLock(Loader& loader) {
  constexpr std::uint32_t kSkip = 2;
  const std::uint32_t method = loader.inventory.network_lock_method();
  const std::string where = "inventory.img[0].network_lock_method";
  if (loader.snapshot.network_lock) return;
  if (method > kSkip) {
    loader.diag.Unsupported(where, std::to_string(method) + ": this lock has no name");
  }
  if (method == kIptables.value) loader.snapshot.network_lock = NetworkLock{kIptables, ""};
  if (method != kNftables.value) return;
  const std::string& id = loader.inventory.dump_criu_run_id();
  const bool named = std::all_of(id.begin(), id.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || c == '-';
  });
  if (!named) loader.diag.Error("inventory.img[0].dump_criu_run_id", "is no identifier");
  const std::string pid = std::to_string(loader.snapshot.tree.nodes.front().pid);
  // CRIU has room for so much of "inet CRIU-" and the identifier, in every place.
  constexpr std::size_t kFamily = 5, kRoom = 31;
  const std::string table = "CRIU-" + (id.empty() ? pid : id);
  loader.snapshot.network_lock = NetworkLock{kNftables, table.substr(0, kRoom - kFamily)};
}

}  // namespace crgen
