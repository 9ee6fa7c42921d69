// SPDX-License-Identifier: Apache-2.0
#include "restorer/outside_connect.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "preflight/trusted_path.h"
#include "restorer/compile_attributes.h"
#include "restorer/own_process.h"

namespace crgen::restorer {
namespace {

constexpr std::uint32_t kNobody = 65534;

/// False: it is longer than an address can be.
bool MakeAddress(const std::string& name, sockaddr_un* address, socklen_t* length) {
  *address = {};
  address->sun_family = AF_UNIX;
  if (name.size() > sizeof address->sun_path) return false;
  std::memcpy(address->sun_path, name.data(), name.size());
  *length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
  return true;
}

bool SetEffective(std::uint64_t mask) {
  __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct sets[2] = {};
  if (syscall(SYS_capget, &header, sets) != 0) return false;
  sets[0].effective = static_cast<std::uint32_t>(mask) & sets[0].permitted;
  sets[1].effective = static_cast<std::uint32_t>(mask >> 32) & sets[1].permitted;
  return syscall(SYS_capset, &header, sets) == 0;
}

/// The process that connects. Its real and saved ids stay: nobody else can send it a signal or
/// trace it.
class Connector {
 public:
  Connector(const OutsideConnection& it, bool connects, Answer* answer)
      : it_(it), connects_(connects), own_(ReadOwnState().creds), answer_(*answer) {}

  void Run() {
    const bool has_path = it_.peer.starts_with('/');
    struct stat first = {}, found = {};
    if (has_path && !LookAsOwner(&first)) return;
    if (!Become()) return Fails("taking the ids of its process for");
    if (!has_path) return Connect(it_.peer);
    const int socket = Open(&found, nullptr);
    if (socket < 0) return;
    if (found.st_ino != first.st_ino || found.st_dev != first.st_dev) {
      errno = ESTALE;
      return Fails("connect(2) to");
    }
    // Whatever has the name by now.
    Connect("/proc/self/fd/" + std::to_string(socket));
  }

 private:
  /// What is found at the end of the way: by this process, and by who else can change it.
  bool LookAsOwner(struct stat* found) {
    WayOwner owner;
    if (Open(found, &owner) < 0) return false;
    const std::uint32_t fsuid = it_.process != nullptr ? it_.process->fsuid : own_.fsuid;
    if (!owner.any) return true;
    if (owner.uid == fsuid && owner.uid != 0) {
      // His other processes, which have no capabilities, can change it too.
      kept_ = ~(1ull << CAP_DAC_OVERRIDE | 1ull << CAP_DAC_READ_SEARCH);
      return true;
    }
    // Root's folder, in which a group may write: anybody in it.
    const std::uint32_t uid = owner.uid == 0 ? kNobody : owner.uid;
    constexpr std::uint64_t kBoth = 1ull << CAP_SETUID | 1ull << CAP_SETGID;
    if (!SetGroups({}) || !SetFsId(SYS_setfsgid, owner.gid) || !SetFsId(SYS_setfsuid, uid) ||
        !SetEffective(kBoth & own_.cap_eff.value)) {
      Fails("taking the ids of who can change the way to");
      return false;
    }
    As(uid);
    if (Open(found, nullptr) < 0) return false;
    answer_.has_uid = false;
    if (SetFsId(SYS_setfsuid, own_.fsuid) && SetFsId(SYS_setfsgid, own_.fsgid) &&
        SetEffective(own_.cap_eff.value) && SetGroups(own_.groups)) {
      return true;
    }
    Fails("going back from the ids of who can change the way to");
    return false;
  }

  /// For messages.
  void As(std::uint32_t uid) {
    answer_.has_uid = true;
    answer_.uid = uid;
  }

  bool SetGroups(const std::vector<std::uint32_t>& groups) {
    if (groups == groups_) return true;
    groups_ = groups;
    return syscall(SYS_setgroups, groups.size(), groups.data()) == 0;
  }

  bool Become() {
    if (it_.process == nullptr) return SetEffective(own_.cap_eff.value & kept_);
    const Creds& ids = *it_.process;
    constexpr int kStays = -1;
    As(ids.euid);
    const bool gids =
        (ids.egid == own_.egid && ids.fsgid == own_.fsgid) ||
        (syscall(SYS_setresgid, kStays, ids.egid, kStays) == 0 && SetFsId(SYS_setfsgid, ids.fsgid));
    const bool uids = (ids.euid == own_.euid && ids.fsuid == own_.fsuid) ||
                      // A change from or to 0 moves capabilities (capabilities(7)).
                      (syscall(SYS_setresuid, kStays, ids.euid, kStays) == 0 &&
                       SetEffective(own_.cap_eff.value) && SetFsId(SYS_setfsuid, ids.fsuid));
    return SetGroups(ids.groups) && gids && uids &&
           SetEffective(own_.cap_eff.value & ids.cap_eff.value & kept_);
  }

  /// With the rights that this process has now. With `owner`: who else could change the way.
  int Open(struct stat* found, WayOwner* owner) {
    const auto system = [](long number, auto... arguments) -> long {
      const long result = syscall(number, arguments...);
      return result < 0 ? -errno : result;
    };
    using Way = TrustedPath<decltype(system)>;
    Way way(system, Way::Foreign::kFollow);
    const long fd = way.Open(it_.peer.c_str(), O_CLOEXEC);
    if (owner != nullptr) *owner = way.owner();
    const bool none = fd == -ENOENT || fd == -ENOTDIR;
    errno = static_cast<int>(-fd);
    if (fd < 0) return Fails(none ? "no socket is at" : "connect(2) to"), -1;
    if (fstat(static_cast<int>(fd), found) != 0) return Fails("fstat(2) of"), -1;
    errno = ENOTSOCK;
    if (!S_ISSOCK(found->st_mode)) return Fails("no socket is at"), -1;
    if (syscall(SYS_faccessat2, fd, "", W_OK, AT_EMPTY_PATH | AT_EACCESS) != 0) {
      return Fails("connect(2) to"), -1;
    }
    return static_cast<int>(fd);
  }

  void Connect(const std::string& peer) {
    if (!connects_) return;
    if (!it_.own_name.empty() && !To(it_.own_name, bind)) {
      return Fails("bind(2) before connecting to");
    }
    if (!To(peer, connect)) Fails("connect(2) to");
  }

  template <typename Call>
  bool To(const std::string& name, Call call) {
    sockaddr_un address;
    socklen_t length = 0;
    errno = ENAMETOOLONG;
    return MakeAddress(name, &address, &length) &&
           call(it_.fd, reinterpret_cast<const sockaddr*>(&address), length) == 0;
  }

  void Fails(const char* call) { answer_.Fails(call); }

  const OutsideConnection& it_;
  const bool connects_;
  const Creds own_;
  std::vector<std::uint32_t> groups_ = own_.groups;
  std::uint64_t kept_ = ~0ull;  ///< capabilities with which the way may be gone
  Answer& answer_;
};

}  // namespace

std::string ConnectTo(const OutsideConnection& connection, bool connects) {
  return InOwnProcess(connection.peer,
                      [&](Answer* answer) { Connector(connection, connects, answer).Run(); });
}

}  // namespace crgen::restorer
