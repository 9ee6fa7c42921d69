// SPDX-License-Identifier: Apache-2.0
#include "views/words.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstdio>

#include "model/one_of.h"

namespace crgen {
namespace {

std::string QueuedText(const std::optional<ImageBytes>& data) {
  return data ? ", " + SizeText(data->bytes) + " unread" : "";
}

std::string PositionText(const std::optional<std::uint64_t>& pos) {
  return pos ? " at " + std::to_string(*pos) : "";
}

std::string AddressText(const Rare<InetAddress>& at) {
  if (!at) return "*";
  const bool v6 = at->address.find(':') != std::string::npos;
  return (v6 ? "[" + at->address + "]" : at->address) + ":" + std::to_string(at->port);
}

// One overload for each type of description.
std::string BodyText(const RegularFile& file, const File&) {
  return file.path.bytes + (file.unlinked ? " (deleted)" : "") + PositionText(file.pos);
}
std::string BodyText(const Memfd& memfd, const File&) {
  std::string text = memfd.pos ? "at " + std::to_string(*memfd.pos) + " of " : "";
  text += "memfd " + std::to_string(memfd.inode_id.value);
  if (memfd.name) text += " " + memfd.name->bytes;
  if (memfd.size) text += ", " + SizeText(*memfd.size);
  return text;
}
std::string BodyText(const Eventfd& event, const File&) {
  return "counter " + std::to_string(event.counter);
}
std::string BodyText(const Signalfd& signals, const File&) { return MaskText(signals.mask.value); }
std::string BodyText(const Timerfd& timer, const File&) { return NameText(timer.clock); }
std::string BodyText(const Eventpoll&, const File&) { return ""; }
std::string BodyText(const Inotify&, const File&) { return ""; }
std::string BodyText(const Fanotify& notify, const File&) { return FlagText(notify.init_flags); }
std::string BodyText(const Pidfd& pidfd, const File&) {
  if (pidfd.dead) return "of a process that is gone";
  return pidfd.target ? "of pid " + std::to_string(pidfd.target->value) : "";
}
std::string BodyText(const Pipe& pipe, const File& file) {
  constexpr const char* kEnds[] = {"read end", "write end", "both ends"};
  const std::string end = kEnds[std::min<std::uint64_t>(file.flags.bits & O_ACCMODE, 2)];
  return "pipe " + std::to_string(pipe.pipe_id.value) + ", " + end + QueuedText(pipe.data);
}
std::string BodyText(const Fifo& fifo, const File&) {
  return fifo.path.bytes + (fifo.unlinked ? " (deleted)" : "") + QueuedText(fifo.data);
}
/// The kernel has the states of TCP for all sockets; of others, what they mean.
std::string StateOf(std::uint64_t state) {
  constexpr std::uint64_t kEstablished = 1, kListen = 10;  // include/net/tcp_states.h
  return state == kEstablished ? " connected" : state == kListen ? " listening" : "";
}

std::string BodyText(const UnixSocket& socket, const File&) {
  std::string text = NameText(socket.socket_type) + StateOf(socket.state.value);
  if (socket.name && !socket.name->bytes.empty()) {
    text += " " + (socket.IsAbstract() ? "@" + socket.name->bytes.substr(1) : socket.name->bytes) +
            (socket.unlinked_name ? " (deleted)" : "");
  }
  return text;
}
std::string BodyText(const InetSocket& socket, const File&) {
  const bool tcp = socket.protocol.value == IPPROTO_TCP;
  std::string text = NameText(socket.protocol) +
                     (tcp                  ? " " + NameText(socket.state)
                      : socket.destination ? StateOf(socket.state.value)
                                           : "") +
                     " " + AddressText(socket.source);
  if (socket.destination) text += " to " + AddressText(socket.destination);
  return text;
}
std::string BodyText(const NetlinkSocket& socket, const File&) {
  std::string text = NameText(socket.protocol);
  if (socket.port_id) text += " port " + std::to_string(*socket.port_id);
  for (const std::uint32_t group : socket.groups) {
    text += (group == socket.groups.front() ? ", groups " : " ") + std::to_string(group);
  }
  if (!socket.destination) return text;
  return text + ", to port " + std::to_string(socket.destination->port_id);
}
std::string BodyText(const PacketSocket& socket, const File&) {
  std::string text = NameText(socket.socket_type) + " " + NameText(socket.protocol);
  if (socket.interface != 0) text += " of interface " + std::to_string(socket.interface);
  if (socket.rings.Size() != 0) text += ", rings of " + SizeText(socket.rings.Size());
  return text;
}
std::string BodyText(const NamespaceFile& file, const File&) {
  return NameText(file.type) + " namespace";
}
std::string BodyText(const TunFile& tun, const File&) {
  if (!tun.device) return tun.path.bytes;
  return tun.path.bytes + " of device " + tun.device->bytes + (tun.detached ? ", detached" : "");
}
std::string BodyText(const BpfMap& map, const File&) {
  std::string text = "map " + std::to_string(map.map_id.value);
  return map.map ? text + MapText(*map.map) : text;
}
std::string BodyText(const Tty& tty, const File&) {
  std::string text = NameText(tty.driver);
  if (tty.index) text += " " + std::to_string(*tty.index);
  if (tty.path) text += " " + tty.path->bytes;
  return text + (tty.hung_up ? ", hung up" : "");
}
std::string BodyText(const OtherFile&, const File&) { return ""; }

template <OneOf<QueueSetting, SocketOptionsSetting, TtyLock, RepairSetting> State>
std::string StateText(const State&) {
  return "";
}
std::string StateText(const LockSetting& setting) {
  std::string text;
  for (const FileLock& lock : setting.locks) {
    text += (text.empty() ? "locked: " : ", ") + NameText(lock.kind) + " " + NameText(lock.type) +
            " from " + std::to_string(lock.start);
  }
  return text;
}
std::string StateText(const LeaseSetting&) { return "lease"; }
std::string StateText(const EpollTargets& set) {
  std::string text;
  for (const EpollTarget& target : set.targets) {
    text += (text.empty() ? "watches fd " : ", ") + std::to_string(target.fd);
  }
  return text;
}
std::string StateText(const InotifyWatches& set) {
  return Count(set.watches.size(), "watch", "watches");
}
std::string StateText(const FanotifyMarks& set) { return Count(set.marks.size(), "mark", "marks"); }
std::string StateText(const TimerfdSetting& setting) {
  if (setting.value.IsZero() && setting.interval.IsZero()) return "disarmed";
  std::string text = "in " + TimeText(setting.value.sec, setting.value.nsec);
  if (!setting.interval.IsZero()) {
    text += ", every " + TimeText(setting.interval.sec, setting.interval.nsec);
  }
  return text;
}
std::string StateText(const TtyInput& input) { return SizeText(input.input.bytes) + " written"; }
std::string StateText(const TtyForeground& setting) {
  return "foreground group " + std::to_string(setting.foreground.value);
}
std::string StateText(const ShutdownSetting& setting) {
  return "shut down: " + NameText(setting.shutdown);
}
std::string StateText(const OwnerSetting& setting) {
  return setting.owner.pid ? "signals go to " + std::to_string(setting.owner.pid->value) : "";
}

}  // namespace

std::string MapText(const BpfMapObject& map) {
  return (map.name ? " " + map.name->bytes : "") + ", " + NameText(map.map_type) + ", " +
         std::to_string(map.data ? map.data->count : 0) + " of " +
         Count(map.max_entries, "entry", "entries") + (map.frozen ? ", frozen" : "");
}

std::string Count(std::uint64_t number, std::string_view one, std::string_view many) {
  return std::to_string(number) + " " + std::string(number == 1 ? one : many);
}

std::string SizeText(std::uint64_t bytes) {
  constexpr const char* kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  std::size_t unit = 0;
  double size = static_cast<double>(bytes);
  for (; size >= 1024 && unit + 1 < std::size(kUnits); ++unit) size /= 1024;
  char text[32];
  const bool whole = size >= 100 || size == static_cast<double>(static_cast<int>(size));
  std::snprintf(text, sizeof text, whole ? "%.0f %s" : "%.1f %s", size, kUnits[unit]);
  return text;
}

std::string MaskText(std::uint64_t mask) {
  std::string text;
  for (std::uint32_t signal = 1; signal <= 64; ++signal) {
    if ((mask >> (signal - 1) & 1) == 0) continue;
    text += (text.empty() ? "" : " ") + NameText(Signal{signal});
  }
  return text;
}

std::string ProtText(Prot prot, bool shared) {
  const auto letter = [&](std::uint64_t bit, char yes) { return prot.Has(bit) ? yes : '-'; };
  return {letter(PROT_READ, 'r'), letter(PROT_WRITE, 'w'), letter(PROT_EXEC, 'x'),
          shared ? 's' : 'p'};
}

std::string TimeText(std::uint64_t seconds, std::uint64_t nanoseconds) {
  std::string fraction = std::to_string(1000000000 + nanoseconds % 1000000000).substr(1);
  fraction.erase(fraction.find_last_not_of('0') + 1);
  return std::to_string(seconds) + (fraction.empty() ? "" : "." + fraction) + " s";
}

std::string ExitText(const ExitStatus& status) {
  if (status.signal) {
    return "killed by " + NameText(*status.signal) +
           (status.core_dumped.value_or(false) ? ", core dumped" : "");
  }
  return status.code ? "exit status " + std::to_string(*status.code) : "";
}

std::string CommOf(const Process& process) {
  const bool known = process.attributes != nullptr && process.attributes->comm;
  return known ? process.attributes->comm->bytes : "";
}

std::string FileText(const File& file) {
  std::string text = std::visit([&](const auto& body) { return BodyText(body, file); }, file.body);
  if (file.external) text += (text.empty() ? "" : ", ") + ("from outside: " + *file.external);
  return text;
}

std::string LateText(const LateState& state) {
  return std::visit([](const auto& one) { return StateText(one); }, state);
}

}  // namespace crgen
