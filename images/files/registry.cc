// SPDX-License-Identifier: Apache-2.0
#include "images/files/registry.h"

#include <type_traits>

#include "images/files/bpf_map.h"
#include "images/files/eventfd.h"
#include "images/files/eventpoll.h"
#include "images/files/fanotify.h"
#include "images/files/inet_socket.h"
#include "images/files/inotify.h"
#include "images/files/memfd.h"
#include "images/files/namespace_file.h"
#include "images/files/netlink_socket.h"
#include "images/files/packet_socket.h"
#include "images/files/pidfd.h"
#include "images/files/pipe.h"
#include "images/files/regular.h"
#include "images/files/signalfd.h"
#include "images/files/timerfd.h"
#include "images/files/tty.h"
#include "images/files/tun_file.h"
#include "images/files/unix_socket.h"

namespace crgen {
namespace {

template <typename... Body, typename Function>
void ForEachBody(std::variant<Body...>*, Function&& function) {
  (function.template operator()<Body>(), ...);
}

}  // namespace

FileLoaders::FileLoaders() {
  ForEachBody(static_cast<FileBody*>(nullptr), [&]<typename Body>() {
    if constexpr (!std::is_same_v<Body, OtherFile>) {
      loaders_.emplace(FileLoaderOf<Body>::kType, std::make_unique<FileLoaderOf<Body>>());
    }
  });
}

void FileLoaders::LoadObjects(Loader& loader) {
  for (auto& [type, one] : loaders_) one->LoadObjects(loader);
}

void FileLoaders::Finish(Loader& loader) {
  // What is in flight counts as held: that is known first.
  FileLoader& sockets = *loaders_[FileLoaderOf<UnixSocket>::kType];
  sockets.Finish(loader);
  for (auto& [type, one] : loaders_) {
    if (one.get() != &sockets) one->Finish(loader);
  }
}

FileLoader* FileLoaders::Find(std::uint32_t type) {
  const auto found = loaders_.find(type);
  return found == loaders_.end() ? nullptr : found->second.get();
}

Result MissingMessage(const ImageReader& at, std::uint32_t type, Diagnostics& diag) {
  return diag.Fail(at.Where(), "type " + std::string(kFileTypes[type]) + " without its message");
}

}  // namespace crgen
