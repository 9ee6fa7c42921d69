// SPDX-License-Identifier: Apache-2.0
// Sockets: ports that are free, addresses and interfaces of this host, connections that nobody has,
// and the tool that removes the network lock.
#include <arpa/inet.h>
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
#include <map>
#include <optional>
#include <sstream>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "dsl/references.h"
#include "dsl/value_text.h"
#include "model/one_of.h"
#include "model/printable.h"
#include "preflight/question.h"
#include "preflight/socket_address.h"
#include "preflight/socket_holder.h"

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

/// Who is in the way, and what to do about it.
struct Advice {
  std::string who;  ///< ", by process 12 (redis-server)"; empty: nobody that can be seen
  std::string what;
};

std::string AdviceText(const Advice& advice) { return advice.who + "\n" + advice.what; }
Advice AdviceOf(const std::string& text) {
  const std::size_t end = text.find('\n');
  return {text.substr(0, end), end == text.npos ? "" : text.substr(end + 1)};
}

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

/// "INDEX NAME", one a line. if_nameindex(3) would send a message for it, which who is confined may
/// not.
std::string InterfacesHere() {
  std::map<unsigned, std::string> all;
  std::ifstream table("/proc/net/dev");
  for (std::string line; std::getline(table, line);) {
    const std::size_t begin = line.find_first_not_of(' '), end = line.find(':');
    if (begin >= end || end == line.npos) continue;  // titles
    const std::string name = line.substr(begin, end - begin);
    if (const unsigned index = if_nametoindex(name.c_str()); index != 0) all[index] = name;
  }
  std::string text;
  for (const auto& [index, name] : all) {
    text += (text.empty() ? "" : "\n") + std::to_string(index) + " " + name;
  }
  return text;
}

/// Those of a host, asked for once.
class Interfaces {
 public:
  explicit Interfaces(Host& host) : host_(host) {}

  /// If it is not known, it is there.
  bool Has(const std::string& name) { return !AreKnown() || names_.contains(name); }
  bool Has(std::uint32_t index) { return !AreKnown() || indices_.contains(index); }

 private:
  bool AreKnown() {
    if (asked_) return known_;
    asked_ = true;
    const auto all = host_.Text(FactKind::kNetwork, "interfaces", InterfacesHere);
    known_ = all.has_value();
    std::istringstream words(all.value_or(""));
    std::uint32_t index = 0;
    for (std::string name; words >> index >> name;) {
      names_.insert(name);
      indices_.insert(index);
    }
    return known_;
  }

  Host& host_;
  bool asked_ = false, known_ = false;
  std::unordered_set<std::string> names_;
  std::unordered_set<std::uint32_t> indices_;
};

bool HasConnections(const Program& program) {
  return std::ranges::any_of(program, [](const Command& command) {
    const auto* open = std::get_if<OpenFile>(&command.body);
    const auto* socket = open == nullptr ? nullptr : As<InetSocket>(*open->file);
    return socket != nullptr && socket->stream;
  });
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
    if (!(fork.about->network_lock->method == kIptables)) {
      if (HasConnections(context_.program)) return NeedTool("nft");
      if (HasTool(host_, "nft")) return;
      return findings_.Warn(
          "the dump has made a table of nftables, and nft is not here to remove it", "install it");
    }
    NeedTool("iptables-save");
    NeedTool("iptables-restore");
  }

  void On(const OpenFile& open) {
    if (context_.other_network) return;  // what is in there is not seen from here
    ForEachOpened(open, [&](Fd, const File& file, bool) {
      if (file.external) return;
      std::visit([&](const auto& body) { Look(body); }, file.body);
    });
  }

 private:
  void NeedTool(const std::string& tool) {
    if (HasTool(host_, tool)) return;
    findings_.Wrong("the dump has locked the network, and " + tool + " is not here to unlock it",
                    "install it, or, on a machine that has no such rules, --network-lock skip");
  }

  template <OneOf<RegularFile, Memfd, Eventfd, Signalfd, Timerfd, Eventpoll, Inotify, Fanotify,
                  Pidfd, Pipe, Fifo, Tty, NamespaceFile, TunFile, BpfMap, OtherFile>
                Body>
  void Look(const Body&) {}
  void Look(const InetSocket& socket) {
    if (socket.stream && context_.options.tcp_close) return;
    const std::string device = socket.options->so_bindtodevice.value_or("");
    for (const std::string& name : {device, socket.interface.value_or("")}) {
      if (!name.empty() && !interfaces_.Has(name)) {
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
    const std::string device = socket.options->so_bindtodevice.value_or("");
    if (!device.empty() && !interfaces_.Has(device)) {
      findings_.Wrong("there is no interface " + device);
    }
  }
  void CheckInterface(std::uint32_t index) {
    if (index == 0 || interfaces_.Has(index)) return;
    findings_.Wrong("there is no interface with index " + std::to_string(index));
  }

  /// Those whose names are files: files.cc.
  void Look(const UnixSocket& socket) {
    if (!socket.IsAbstract() || socket.accept_from) return;
    const std::string name = "@" + Printable(socket.name->bytes.substr(1));
    const auto user = host_.Text(FactKind::kSockets,
                                 "the abstract name " + name + ", " + ValueText(socket.socket_type),
                                 [&] { return AbstractNameUser(socket); });
    if (user.value_or("").empty()) return;
    findings_.Wrong("the abstract name " + name + " is taken" + user->substr(1), "end who has it");
  }

  /// Asks the kernel: a socket of the same kind is bound there, joins the groups, and is closed.
  void Look(const NetlinkSocket& socket) {
    const std::string name = ValueName(NetlinkProtocolKind::Names(), socket.protocol.value);
    const auto ask = [&](const std::string& what, auto&& works) {
      return ErrorOf(name + what, [&] {
        const int fd =
            ::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, static_cast<int>(socket.protocol.value));
        const int error = fd >= 0 && works(fd) ? 0 : errno;
        if (fd >= 0) close(fd);
        return error;
      });
    };
    const int none = ask(" sockets", [](int) { return true; });
    if (none != 0) return findings_.Wrong(name + " sockets: " + std::strerror(none));
    if (socket.port_id) {
      const std::string port = "port " + std::to_string(*socket.port_id) + " of ";
      sockaddr_nl address = {};
      address.nl_family = AF_NETLINK;
      address.nl_pid = *socket.port_id;
      const int error = ask(", port " + std::to_string(*socket.port_id), [&](int fd) {
        return bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
      });
      if (error != 0) {
        findings_.Wrong(port + name +
                            (error == EADDRINUSE ? " is taken" + UserOf(socket, name)
                                                 : std::string(": ") + std::strerror(error)),
                        "end who has it");
      }
    }
    for (const std::uint32_t group : socket.groups) {
      const int number = static_cast<int>(group);
      const int error = ask(", group " + std::to_string(group), [&](int fd) {
        return setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &number, sizeof number) == 0;
      });
      if (error == 0) continue;
      findings_.Wrong("group " + std::to_string(group) + " of " + name + ": " +
                          (error == EINVAL ? "there is none" : std::strerror(error)),
                      error == EPERM ? "run with CAP_NET_ADMIN" : "");
    }
  }

  /// 0: nothing is in the way, or that is not known.
  template <typename Live>
  int ErrorOf(const std::string& name, Live&& live) {
    return static_cast<int>(host_.Number(FactKind::kSockets, name, live).value_or(0));
  }

  /// Who has the port; empty: nobody that can be seen.
  std::string UserOf(const NetlinkSocket& socket, const std::string& name) {
    const std::string question = name + ", who has port " + std::to_string(*socket.port_id);
    return host_.Text(FactKind::kSockets, question, [&] { return UserHere(socket); }).value_or("");
  }
  static std::string UserHere(const NetlinkSocket& socket) {
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
    const std::string protocol = ValueName(InetProtocolKind::Names(), socket.protocol.value);
    const bool six = socket.family.value == AF_INET6;
    const int none = ErrorOf(protocol + (six ? ", IPv6" : ", IPv4"), [&] {
      const int fd = SocketLike(socket);
      if (fd < 0) return errno;
      close(fd);
      return 0;
    });
    if (none != 0) return findings_.Wrong(protocol + " sockets: " + std::strerror(none));
    const int error = ErrorOf(protocol + ", " + EndText(*socket.source) + TermsText(socket),
                              [&] { return BindHere(socket); });
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

  static int SocketLike(const InetSocket& socket) {
    return ::socket(static_cast<int>(socket.family.value),
                    static_cast<int>(socket.socket_type.value) | SOCK_CLOEXEC,
                    static_cast<int>(socket.protocol.value));
  }

  /// On which it depends who else may have the port.
  static std::string TermsText(const InetSocket& socket) {
    std::string text;
    if (socket.stream) text += ", connected";
    if (socket.options->so_reuseaddr.value_or(false)) text += ", SO_REUSEADDR";
    if (socket.options->so_reuseport.value_or(false)) text += ", SO_REUSEPORT";
    if (socket.v6only) text += ", IPV6_V6ONLY";
    if (socket.ip->freebind.value_or(false)) text += ", IP_FREEBIND";
    const auto& device = socket.options->so_bindtodevice;
    if (device) text += ", device " + *device;
    if (socket.interface) text += ", interface " + *socket.interface;
    return text;
  }

  static int BindHere(const InetSocket& socket) {
    const bool six = socket.family.value == AF_INET6;
    const int fd = SocketLike(socket);
    if (fd < 0) return errno;
    const auto set = [&](int level, int name, int value) {
      setsockopt(fd, level, name, &value, sizeof value);
    };
    // Who takes a port together with others, connections too, is told so by the kernel alone.
    if (socket.stream || socket.options->so_reuseaddr.value_or(false)) {
      set(SOL_SOCKET, SO_REUSEADDR, 1);
    }
    if (socket.options->so_reuseport.value_or(false)) set(SOL_SOCKET, SO_REUSEPORT, 1);
    if (six) set(IPPROTO_IPV6, IPV6_V6ONLY, socket.v6only);
    if (socket.ip->freebind.value_or(false)) {
      set(six ? int{IPPROTO_IPV6} : int{IPPROTO_IP}, six ? IPV6_FREEBIND : IP_FREEBIND, 1);
    }
    if (socket.options->so_bindtodevice) {
      const std::string& device = *socket.options->so_bindtodevice;
      setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, device.c_str(),
                 static_cast<socklen_t>(device.size() + 1));
    }
    // A connection shares its port even with who listens there.
    InetAddress asked = *socket.source;
    if (socket.stream) asked.port = 0;
    const int error = BindTo(fd, socket, asked);
    close(fd);
    return error;
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
  Advice UserOf(const InetSocket& socket) {
    const std::string name = TableOf(socket, false) + ", who has " + EndText(*socket.source);
    const auto text =
        host_.Text(FactKind::kSockets, name, [&] { return AdviceText(UserHere(socket)); });
    return text ? AdviceOf(*text) : Advice{"", "end who has it"};
  }
  Advice UserHere(const InetSocket& socket) const {
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
    const std::string name =
        "the connection from " + EndText(*socket.source) + " to " + EndText(*socket.destination);
    const auto text = host_.Text(FactKind::kSockets, name, [&]() -> std::string {
      const std::string local = TableText(socket, *socket.source);
      const std::string remote = TableText(socket, *socket.destination);
      const auto there = Connections(six).find(local + " " + remote);
      return there == connections_[six].end() ? "" : AdviceText(AdviceOn(there->second));
    });
    if (!text) return true;
    if (text->empty()) return false;
    const Advice advice = AdviceOf(*text);
    findings_.Wrong(name + " is there already" + advice.who, advice.what);
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

  Interfaces interfaces_{host_};
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

bool HasTool(Host& host, const std::string& tool) {
  const auto there = host.Number(FactKind::kTools, tool, [&] { return IsInPath(tool); });
  return there.value_or(1) != 0;
}

void AskAllOfTheNetwork(Host& host) {
  (void)Interfaces(host).Has("");
  for (const char* tool : {"nft", "iptables-save", "iptables-restore", "iptables-legacy-restore",
                           "ip6tables-restore", "ip6tables-legacy-restore", "ip"}) {
    (void)HasTool(host, tool);
  }
}

std::unique_ptr<Question> AskForSockets(Context& context) {
  return std::make_unique<SocketQuestion>(context);
}

}  // namespace crgen::preflight
