// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "images/files/file_loader.h"

namespace crgen {

/// Sockets name each other by inode, and messages name receivers and what they carry by file id, so
/// both are resolved when everything is read.
template <>
class FileLoaderOf<UnixSocket> : public FileLoader {
 public:
  static constexpr std::uint32_t kType = pb::FD_UNIXSK;
  void LoadObjects(Loader& loader) override;
  Result Convert(const pb::file_entry& entry, const ImageReader& at, Loader& loader,
                 ConvertedFile* file) override;
  void Finish(Loader& loader) override;

 private:
  struct Socket {
    std::uint32_t id;  ///< of the file
    std::uint32_t peer;
    std::uint32_t shutdown;
    std::uint32_t namespace_id;
    std::string where;
    FileIndex file;                   ///< below 0: it is left out
    bool is_outside = false;          ///< stands for a peer that is not of the tree
    bool comes_from_outside = false;  ///< its peer is not of the tree
    UnixSocket body;
    std::uint64_t mount = 0;      ///< in which the file of its name is; 0: not known
    bool has_known_root = false;  ///< below which it was bound
  };
  /// An entry of sk-queues.img.
  struct Packet {
    std::string where;
    std::uint32_t receiver;
    std::uint64_t offset;
    std::uint32_t bytes;
    std::vector<std::uint32_t> rights;
  };

  void FindFiles(Loader& loader);
  void FindPlaces(Loader& loader);
  void CheckNamespaces(Loader& loader);
  void JoinPeers(Loader& loader);
  void JoinPeer(std::size_t socket, Loader& loader);
  void SettlePair(Socket& one, Socket& other, Loader& loader);
  void AddQueues(Loader& loader);
  bool TakeRights(const Packet& packet, Loader& loader, std::vector<FileIndex>* files);
  void KeepInFlight(Loader& loader);
  void CheckPeers(Loader& loader);
  void CheckNames(Loader& loader);
  void CheckName(const std::vector<std::size_t>& bearers, Loader& loader);
  void WarnOfRoots(Loader& loader);
  void Warn(Loader& loader);

  std::vector<Socket> sockets_;                                // in the order of files.img
  std::unordered_map<std::uint32_t, std::size_t> by_inode_;    // in sockets_
  std::unordered_map<std::uint32_t, std::size_t> by_file_id_;  // likewise
  std::unordered_set<std::uint64_t> peers_;                    // inodes: somebody's peer
  std::vector<Packet> packets_;
  std::size_t carried_with_locks_ = 0;  ///< files that may have some, and only messages carry
  std::size_t unclear_peers_ = 0;       ///< datagram sockets that may have lost theirs
};

}  // namespace crgen
