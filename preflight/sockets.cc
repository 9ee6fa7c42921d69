// SPDX-License-Identifier: Apache-2.0
// Sockets: ports that are free, addresses and interfaces of this host, connections that nobody has,
// and the tool that removes the network lock.
#include <arpa/inet.h>
#include <dirent.h>
#include <linux/netlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <optional>
#include <sstream>
#include <unordered_map>
#include <vector>

#include "dsl/references.h"
#include "preflight/question.h"
#include "preflight/socket_address.h"

namespace crgen::preflight {
namespace {

// States of /proc/net/tcp.
constexpr const char* kEstablished = "01";
constexpr const char* kSynReceived = "03";
constexpr const char* kTimeWait = "06";
constexpr struct {
  const char* number;
  const char* name;
} kClosing[] = {{"04", "FIN_WAIT1"},
                {"05", "FIN_WAIT2"},
                {"06", "TIME_WAIT"},
                {"09", "LAST_ACK"},
                {"0B", "CLOSING"}};
constexpr const char* kNoInode = "0";
constexpr int kNetlinkLevel = 270;  // SOL_NETLINK

std::string EndText(const InetAddress& end) {
  return "port " + std::to_string(end.port) + " of " + end.address;
}

/// One socket of /proc/net/tcp and the like.
struct Line {
  std::string local, remote;  ///< as they stand there
  std::string state;
  std::string inode;
};

std::vector<Line> ReadTable(const std::string& name) {
  std::vector<Line> lines;
  std::ifstream table("/proc/net/" + name);
  std::string text;
  std::getline(table, text);  // titles
  while (std::getline(table, text)) {
    std::istringstream words(text);
    Line line;
    std::string word;
    words >> word >> line.local >> line.remote >> line.state;
    for (int skipped = 0; skipped < 5 && words >> word; ++skipped) {
    }
    words >> line.inode;
    lines.push_back(std::move(line));
  }
  return lines;
}

/// An end as /proc/net has it: words of the address in the machine's order, port.
std::string TableText(const InetSocket& socket, const InetAddress& end) {
  const bool six = socket.family.value == AF_INET6;
  std::uint32_t words[4] = {};
  inet_pton(six ? AF_INET6 : AF_INET, end.address.c_str(), words);
  std::string text;
  char piece[16];
  for (int i = 0; i < (six ? 4 : 1); ++i) {
    std::snprintf(piece, sizeof piece, "%08X", words[i]);
    text += piece;
  }
  std::snprintf(piece, sizeof piece, ":%04X", end.port);
  return text + piece;
}

/// ", by process 12 (redis-server)": who holds the socket; empty: nobody that can be seen.
std::string HolderOf(const std::string& inode) {
  const std::string wanted = "socket:[" + inode + "]";
  DIR* proc = opendir("/proc");
  std::string found;
  while (const dirent* entry = proc == nullptr ? nullptr : readdir(proc)) {
    if (std::atoi(entry->d_name) <= 0) continue;
    const std::string process = std::string("/proc/") + entry->d_name;
    DIR* descriptors = opendir((process + "/fd").c_str());
    if (descriptors == nullptr) continue;
    while (const dirent* fd = readdir(descriptors)) {
      char link[64];
      const ssize_t size = readlinkat(dirfd(descriptors), fd->d_name, link, sizeof link);
      if (size != static_cast<ssize_t>(wanted.size()) ||
          wanted.compare(0, wanted.size(), link, wanted.size()) != 0) {
        continue;
      }
      std::string name;
      std::getline(std::ifstream(process + "/comm"), name);
      found = ", by process " + std::string(entry->d_name) + " (" + name + ")";
      break;
    }
    closedir(descriptors);
    if (!found.empty()) break;
  }
  if (proc != nullptr) closedir(proc);
  return found;
}

/// Who is in the way, and what to do about it.
struct Advice {
  std::string who;  ///< ", by process 12 (redis-server)"; empty: nobody that can be seen
  std::string what;
};

/// What has no inode has no descriptor.
Advice AdviceOn(const Line& line) {
  if (line.inode != kNoInode) return {HolderOf(line.inode), "end who has it"};
  if (line.state == kEstablished || line.state == kSynReceived) {
    return {", by a connection that nobody has accepted yet", "end who listens there"};
  }
  const auto closing = std::find_if(std::begin(kClosing), std::end(kClosing),
                                    [&](const auto& state) { return state.number == line.state; });
  return {
      ", by a connection that is closed, but not over: the kernel has it" +
          (closing == std::end(kClosing) ? "" : " in " + std::string(closing->name)),
      "wait until it is over, in FIN_WAIT2 for net.ipv4.tcp_fin_timeout, or end it with ss --kill"};
}

class SocketQuestion : public QuestionOn<SocketQuestion> {
 public:
  using QuestionOn::QuestionOn;

  template <typename Body>
  void On(const Body&) {}

  void On(const Fork& fork) {
    if (fork.about == nullptr || !fork.about->network_lock || !context_.options.network_locked ||
        context_.new_network) {
      return;
    }
    if (!(fork.about->network_lock->method == kIptables)) return NeedTool("nft");
    NeedTool("iptables-save");
    NeedTool("iptables-restore");
  }

  void On(const OpenFile& open) {
    if (context_.other_network) return;  // what is in there is not seen from here
    ForEachOpened(open, [&](Fd, const File& file, bool) {
      if (file.external) return;
      if (const auto* inet = As<InetSocket>(file)) Look(*inet);
      if (const auto* netlink = As<NetlinkSocket>(file)) Look(*netlink);
      if (const auto* packet = As<PacketSocket>(file)) Look(*packet);
    });
  }

 private:
  void NeedTool(const std::string& tool) {
    if (IsInPath(tool)) return;
    findings_.Wrong("the dump has locked the network, and " + tool + " is not here to unlock it",
                    "install it, or, on a machine that has no such rules, --network-lock skip");
  }

  void Look(const InetSocket& socket) {
    if (socket.stream && context_.options.tcp_close) return;
    const std::string device = socket.options.so_bindtodevice.value_or("");
    for (const std::string& name : {device, socket.interface.value_or("")}) {
      if (!name.empty() && if_nametoindex(name.c_str()) == 0) {
        return findings_.Wrong("there is no interface " + name);
      }
    }
    if (socket.socket_type.value == SOCK_RAW || !socket.source) return;
    if (socket.stream && IsConnected(socket)) return;
    Bind(socket);
  }

  void Look(const PacketSocket& socket) {
    CheckInterface(socket.interface);
    for (const PacketMembership& one : socket.memberships) CheckInterface(one.interface);
    const std::string device = socket.options.so_bindtodevice.value_or("");
    if (!device.empty() && if_nametoindex(device.c_str()) == 0) {
      findings_.Wrong("there is no interface " + device);
    }
  }
  void CheckInterface(std::uint32_t index) {
    char name[IF_NAMESIZE];
    if (index == 0 || if_indextoname(index, name) != nullptr) return;
    findings_.Wrong("there is no interface with index " + std::to_string(index));
  }

  /// Asks the kernel: a socket of the same kind is bound there, joins the groups, and is closed.
  void Look(const NetlinkSocket& socket) {
    const std::string name = ValueName(NetlinkProtocolKind::Names(), socket.protocol.value);
    const int fd =
        ::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, static_cast<int>(socket.protocol.value));
    if (fd < 0) return findings_.Wrong(name + " sockets: " + std::strerror(errno));
    sockaddr_nl address = {};
    address.nl_family = AF_NETLINK;
    address.nl_pid = socket.port_id.value_or(0);
    if (socket.port_id &&
        bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
      findings_.Wrong("port " + std::to_string(address.nl_pid) + " of " + name +
                          (errno == EADDRINUSE ? " is taken" + UserOf(socket)
                                               : std::string(": ") + std::strerror(errno)),
                      "end who has it");
    }
    for (const std::uint32_t group : socket.groups) {
      const int number = static_cast<int>(group);
      if (setsockopt(fd, kNetlinkLevel, NETLINK_ADD_MEMBERSHIP, &number, sizeof number) == 0) {
        continue;
      }
      findings_.Wrong("group " + std::to_string(group) + " of " + name + ": " +
                          (errno == EINVAL ? "there is none" : std::strerror(errno)),
                      errno == EPERM ? "run with CAP_NET_ADMIN" : "");
    }
    close(fd);
  }

  /// Who has the port; empty: nobody that can be seen.
  static std::string UserOf(const NetlinkSocket& socket) {
    std::ifstream table("/proc/net/netlink");
    std::string text;
    std::getline(table, text);  // titles
    while (std::getline(table, text)) {
      std::istringstream words(text);
      std::string address, inode;
      std::uint32_t protocol = 0, port = 0;
      words >> address >> protocol >> port;
      for (std::string word; words >> word;) inode = word;  // the last
      if (protocol == socket.protocol.value && port == *socket.port_id) return HolderOf(inode);
    }
    return "";
  }

  /// Asks the kernel: binds a socket of the same kind there, and closes it.
  void Bind(const InetSocket& socket) {
    const bool six = socket.family.value == AF_INET6;
    const int fd = ::socket(static_cast<int>(socket.family.value),
                            static_cast<int>(socket.socket_type.value) | SOCK_CLOEXEC,
                            static_cast<int>(socket.protocol.value));
    if (fd < 0) {
      return findings_.Wrong(ValueName(InetProtocolKind::Names(), socket.protocol.value) +
                             " sockets: " + std::strerror(errno));
    }
    const auto set = [&](int level, int name, int value) {
      setsockopt(fd, level, name, &value, sizeof value);
    };
    // Who takes a port together with others, connections too, is told so by the kernel alone.
    if (socket.stream || socket.options.so_reuseaddr.value_or(false)) {
      set(SOL_SOCKET, SO_REUSEADDR, 1);
    }
    if (socket.options.so_reuseport.value_or(false)) set(SOL_SOCKET, SO_REUSEPORT, 1);
    if (six) set(IPPROTO_IPV6, IPV6_V6ONLY, socket.v6only);
    if (socket.ip.freebind.value_or(false)) {
      set(six ? int{IPPROTO_IPV6} : int{IPPROTO_IP}, six ? IPV6_FREEBIND : IP_FREEBIND, 1);
    }
    if (socket.options.so_bindtodevice) {
      const std::string& device = *socket.options.so_bindtodevice;
      setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, device.c_str(),
                 static_cast<socklen_t>(device.size() + 1));
    }
    // A connection shares its port even with who listens there.
    InetAddress asked = *socket.source;
    if (socket.stream) asked.port = 0;
    const int error = BindTo(fd, socket, asked);
    close(fd);
    if (error == EADDRNOTAVAIL && !socket.stream && !socket.destination) {
      return findings_.Warn("the address " + socket.source->address +
                            " is not of this host: it is bound all the same (IP_FREEBIND)");
    }
    if (error == EADDRNOTAVAIL) {
      return findings_.Wrong("the address " + socket.source->address + " is not of this host",
                             "give it the address for the restore");
    }
    if (error == EADDRINUSE) {
      const Advice advice = UserOf(socket);
      return findings_.Wrong(EndText(*socket.source) + " is taken" + advice.who, advice.what);
    }
    if (error == EACCES) return;  // rights.cc
    if (error != 0) findings_.Wrong(EndText(*socket.source) + ": " + std::strerror(error));
  }

  static int BindTo(int fd, const InetSocket& socket, const InetAddress& address) {
    sockaddr_storage to;
    const socklen_t size = SockaddrOf(socket, address, &to);
    return bind(fd, reinterpret_cast<const sockaddr*>(&to), size) == 0 ? 0 : errno;
  }

  std::string TableOf(const InetSocket& socket, bool six) const {
    const std::string name = socket.protocol.value == IPPROTO_TCP       ? "tcp"
                             : socket.protocol.value == IPPROTO_UDPLITE ? "udplite"
                             : socket.protocol.value == IPPROTO_UDP     ? "udp"
                                                                        : "icmp";
    return name + (six ? "6" : "");
  }

  /// About who has the port, as well as it can be seen.
  Advice UserOf(const InetSocket& socket) const {
    char port[8];
    std::snprintf(port, sizeof port, ":%04X", socket.source->port);
    std::optional<Line> user;
    for (const bool six : {false, true}) {
      for (const Line& line : ReadTable(TableOf(socket, six))) {
        if (!line.local.ends_with(port)) continue;
        if (!user || user->inode == kNoInode) user = line;  // rather one that somebody has
      }
    }
    return user ? AdviceOn(*user) : Advice{"", "end who has it"};
  }

  /// Told, if the connection is there already.
  bool IsConnected(const InetSocket& socket) {
    const bool six = socket.family.value == AF_INET6;
    const std::string local = TableText(socket, *socket.source);
    const std::string remote = TableText(socket, *socket.destination);
    const auto there = Connections(six).find(local + " " + remote);
    if (there == connections_[six].end()) return false;
    const Advice advice = AdviceOn(there->second);
    findings_.Wrong("the connection from " + EndText(*socket.source) + " to " +
                        EndText(*socket.destination) + " is there already" + advice.who,
                    advice.what);
    return true;
  }

  /// All, by both ends.
  const std::unordered_map<std::string, Line>& Connections(bool six) {
    if (read_[six]) return connections_[six];
    read_[six] = true;
    for (const Line& line : ReadTable(six ? "tcp6" : "tcp")) {
      if (line.state != kTimeWait) connections_[six].emplace(line.local + " " + line.remote, line);
    }
    return connections_[six];
  }

  bool read_[2] = {};
  std::unordered_map<std::string, Line> connections_[2];  ///< of tcp, of tcp6
};

}  // namespace

bool IsInPath(const std::string& tool) {
  const char* path = std::getenv("PATH");
  std::istringstream folders(path == nullptr ? "/usr/sbin:/usr/bin:/sbin:/bin" : path);
  for (std::string folder; std::getline(folders, folder, ':');) {
    if (access((folder + "/" + tool).c_str(), X_OK) == 0) return true;
  }
  return false;
}

std::unique_ptr<Question> AskForSockets(Context& context) {
  return std::make_unique<SocketQuestion>(context);
}

}  // namespace crgen::preflight
