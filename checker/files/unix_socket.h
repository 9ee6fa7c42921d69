// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <vector>

#include "checker/files/rules.h"

namespace crgen::check {

/// A message on its way; what it carries is there as long as it is.
struct SocketMessage {
  ImageSpan source;
  std::uint64_t bytes = 0;
  std::vector<std::shared_ptr<const Description>> rights;
};

/// A unix socket, as others see it. Lives while a description or a message in flight has it.
struct SocketObject {
  UnixSocket opened;
  std::uint32_t shutdown = 0;  ///< 1: receives no more, 2: sends no more
  /// Its own and its peer's, before the last shutdown(2) at this end.
  std::pair<std::uint32_t, std::uint32_t> earlier_shutdown;
  std::weak_ptr<SocketObject> peer;
  std::weak_ptr<SocketObject> listener;  ///< that has not accepted this connection
  std::vector<SocketMessage> queue;      ///< received by nobody
  std::vector<SocketMessage> ahead;      ///< sent before anybody accepted
  std::size_t pending = 0;               ///< connections that a listener has not accepted
  std::size_t turn = 0;                  ///< how many waited at `listener` before this one
  /// Of the socket file; accepted ones have their listener's.
  std::shared_ptr<const std::optional<FilePermissions>> permissions;
};

/// unix(7).
template <>
class FileRules<UnixSocket> : public PlainRules<UnixSocket> {
 public:
  static constexpr bool kIsSocket = true;
  static constexpr bool kComesInPairs = true;

  FileRules() = default;
  FileRules(const FileRules&) = delete;
  FileRules& operator=(const FileRules&) = delete;
  /// Sockets in flight may carry each other.
  ~FileRules();

  std::optional<Refusal> Check(const File& file, const UnixSocket& socket) const;
  std::optional<Refusal> CheckOpening(const Kernel& kernel, const File& file,
                                      const UnixSocket& socket, const File* peer) const;
  void Opened(const Kernel& kernel, Description& description, const UnixSocket& socket,
              Description* peer);
  /// Others may be connected to it.
  bool ServesOtherwise(const UnixSocket&, std::size_t) const { return true; }
  /// What a program needs in order to make it is not compared, its peer and its queue are
  /// elsewhere.
  void Compare(const std::string& where, const UnixSocket& expected, const UnixSocket& found,
               Diagnostics& diag) const;

 private:
  /// Type, or 0 for a path; address; mount, or network namespace of an abstract name.
  using Name = std::tuple<std::uint32_t, std::string, std::uint64_t>;

  static Name NameOf(const Kernel& kernel, const UnixSocket& socket);
  static std::optional<Refusal> RefusedMount(const Kernel& kernel, const UnixSocket& socket);
  std::shared_ptr<SocketObject> Find(SocketId id) const;
  std::optional<Refusal> RefusedName(const Kernel& kernel, const UnixSocket& socket) const;
  std::optional<Refusal> RefusedTarget(const UnixSocket& socket, const SocketObject* target,
                                       bool accepted) const;
  std::optional<Refusal> RefusedPair(const Kernel& kernel, const UnixSocket& socket,
                                     const UnixSocket& peer) const;
  std::shared_ptr<SocketObject> Make(const Kernel& kernel, Description& description,
                                     const UnixSocket& socket);

  std::unordered_map<SocketId, std::weak_ptr<SocketObject>> objects_;
  std::map<Name, std::weak_ptr<SocketObject>> names_;
};

/// ENOTSOCK of what is no unix socket. Absent: it is one.
std::optional<Refusal> RefusedNonSocket(const Description& description);

/// sendmsg(2).
template <>
struct LateRules<QueueSetting> {
  static std::optional<Refusal> Check(const Kernel& kernel, const Description& description,
                                      const QueueSetting& setting);
  static void Apply(const Kernel& kernel, const Description& description,
                    const QueueSetting& setting);
  static void Undo(const Description& description);
};

/// shutdown(2).
template <>
struct LateRules<ShutdownSetting> {
  static std::optional<Refusal> Check(const Kernel& kernel, const Description& description,
                                      const ShutdownSetting& setting);
  static void Apply(const Kernel& kernel, const Description& description,
                    const ShutdownSetting& setting);
  static void Undo(const Description& description);
};

}  // namespace crgen::check
