// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "images/files/file_loader.h"
#include "images/load/place.h"
#include "model/image_bytes.h"

namespace crgen {

template <>
class FileLoaderOf<InetSocket> : public FileLoader {
 public:
  static constexpr std::uint32_t kType = pb::FD_INETSK;
  /// tcp-stream-<ino>.img.
  void LoadObjects(Loader& loader) override;
  Result Convert(const pb::file_entry& entry, const ImageReader& at, Loader& loader,
                 ConvertedFile* file) override;
  /// Sockets that share a port, the lock that the dump has left, and what is lost.
  void Finish(Loader& loader) override;

 private:
  struct Stream {
    std::string image;
    std::uint64_t offset = 0;  ///< of the queues
    pb::tcp_stream_entry entry;
    bool used = false;
  };

  void LoadStream(std::uint64_t inode, Loader& loader);
  /// Absent: reported, or the dump has dropped its connections.
  std::optional<TcpStream> StreamOf(const pb::inet_sk_entry& from, const Place& at, Loader& loader,
                                    InetSocket* to);
  void SharePorts(Loader& loader);

  std::map<std::uint64_t, Stream> streams_;                        ///< by inode
  std::vector<std::pair<std::uint32_t, std::string>> namespaces_;  ///< and whose they are
  std::size_t odd_buffers_ = 0;
  std::size_t datagram_sockets_ = 0;
};

}  // namespace crgen
