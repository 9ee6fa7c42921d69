// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "images/files/file_loader.h"
#include "images/load/place.h"

namespace crgen {

template <>
class FileLoaderOf<PacketSocket> : public FileLoader {
 public:
  static constexpr std::uint32_t kType = pb::FD_PACKETSK;
  Result Convert(const pb::file_entry& entry, const ImageReader& at, Loader& loader,
                 ConvertedFile* file) override;
  /// Their network namespaces, and what is lost.
  void Finish(Loader& loader) override;

 private:
  /// Mode with id, protocol, interface: of all members of a fanout group.
  using Group = std::tuple<std::uint32_t, std::uint32_t, std::uint32_t>;

  void TakeFanout(const pb::packet_sock_entry& from, const Place& at, ConvertedFile* file,
                  PacketSocket* to);

  std::map<std::pair<std::uint32_t, std::uint32_t>, Group> groups_;  ///< by namespace and id
  std::vector<std::pair<std::uint32_t, std::string>> namespaces_;    ///< and whose they are
};

}  // namespace crgen
