// SPDX-License-Identifier: Apache-2.0
#include "images/files/tty.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <termios.h>

#include <algorithm>
#include <cstdio>
#include <optional>
#include <utility>

#include "images/load/file_checks.h"
#include "images/load/loader.h"

namespace crgen {
namespace {

constexpr std::uint32_t kMostIndex = 1000;  // of a pty, to the dumper
constexpr std::uint64_t kMostUnread = 16384;
/// What one read(2) of a terminal gives (N_TTY_BUF_SIZE).
constexpr std::uint64_t kOneRead = 4096;

Termios TermiosOf(const pb::termios_entry& from) {
  Termios to;
  to.iflag.value = from.c_iflag();
  to.oflag.value = from.c_oflag();
  to.cflag.value = from.c_cflag();
  to.lflag.value = from.c_lflag();
  to.line = from.c_line();
  to.ispeed = from.c_ispeed();
  to.ospeed = from.c_ospeed();
  // The dumper writes its memory: the characters are the bytes of the first words, and behind them
  // comes what happens to be there.
  for (std::size_t i = 0; i < kControlCharacters; ++i) {
    const std::size_t word = i / 4;
    const std::uint32_t four =
        word < static_cast<std::size_t>(from.c_cc_size()) ? from.c_cc(static_cast<int>(word)) : 0;
    to.cc.push_back(four >> (i % 4 * 8) & 0xff);
  }
  return to;
}

bool IsNothing(const Termios& locked) {
  const Hex words[] = {locked.iflag, locked.oflag, locked.cflag, locked.lflag};
  return locked.line == 0 && std::ranges::all_of(words, [](Hex bits) { return bits.value == 0; }) &&
         std::ranges::all_of(locked.cc, [](std::uint32_t bits) { return bits == 0; });
}

void CheckTermios(const pb::termios_entry& from, const Place& at) {
  if (from.c_cc_size() != static_cast<int>(kControlCharacters)) {
    at.Error(".c_cc", std::to_string(from.c_cc_size()) + " words, expected " +
                          std::to_string(kControlCharacters));
  }
  at.AtMost(".c_line", from.c_line(), 0xff);
}

/// CRIU's key, with device numbers in hex.
std::string TtyKey(const pb::tty_info_entry& info) {
  char text[32];
  std::snprintf(text, sizeof text, "tty[%x:%x]", info.rdev(), info.dev());
  return text;
}

constexpr std::uint32_t kNoId = 0xffffffff;

bool IsMasterId(std::uint32_t id) { return (id & 1) != 0; }

/// By which the dumper tells the types apart; those of outside, and of no known type, have any.
bool HasItsDevice(const pb::tty_info_entry& entry) {
  constexpr unsigned kOthers = 5, kMasters = 128, kSlaves = 136;
  constexpr unsigned kConsoles = 4, kLastVirtual = 63, kUsbLines = 188, kLines = 204;
  const unsigned major = gnu_dev_major(entry.rdev()), minor = gnu_dev_minor(entry.rdev());
  const auto is = [&](unsigned number) { return major == kOthers && minor == number; };
  switch (entry.type()) {
    case pb::TTY_PTY:
      if (!IsMasterId(entry.id())) return major == kSlaves && minor == entry.pty().index();
      return is(2) || (major >= kMasters && major < kSlaves);
    case pb::TTY_CONSOLE:
      return is(1);
    case pb::TTY_CTTY:
      return is(0);
    case pb::TTY_VT:
      return major == kConsoles && minor <= kLastVirtual;
    case pb::TTY_SERIAL:
      return major == kUsbLines || major == kLines || (major == kConsoles && minor > kLastVirtual);
    default:
      return true;
  }
}

}  // namespace

/// What somebody is for the dumper who has no number in the tree's user namespace.
void FileLoaderOf<Tty>::CheckOwner(const Info& info, Loader& loader) {
  for (const auto& [field, id] :
       {std::pair{".uid", info.entry.uid()}, std::pair{".gid", info.entry.gid()}}) {
    if (id != kNoId) continue;
    if (!loader.snapshot.user_namespace) {
      loader.diag.Error(info.where + field, "4294967295 is no id");
    } else {
      loader.diag.NotRestorable(info.where + field,
                                "the owner of a terminal is nobody in the tree's user namespace: "
                                "whoever makes it becomes that");
    }
  }
}

void FileLoaderOf<Tty>::CheckInfo(const pb::tty_info_entry& entry, const Place& at) {
  if (entry.has_termios()) CheckTermios(entry.termios(), at.At("termios"));
  if (entry.has_termios_locked()) CheckTermios(entry.termios_locked(), at.At("termios_locked"));
  if (entry.has_winsize()) {
    const auto& size = entry.winsize();
    for (const std::uint32_t cells :
         {size.ws_row(), size.ws_col(), size.ws_xpixel(), size.ws_ypixel()}) {
      at.AtMost("winsize", cells, 0xffff);
    }
  }
  constexpr std::uint32_t kMostPid = 0x7fffffff;
  at.AtMost("sid", entry.sid(), kMostPid);
  at.AtMost("pgrp", entry.pgrp(), kMostPid);
  if (!HasItsDevice(entry)) {
    at.Error("rdev", std::to_string(gnu_dev_major(entry.rdev())) + ":" +
                         std::to_string(gnu_dev_minor(entry.rdev())) +
                         " is no device of a terminal " + std::to_string(entry.id()) + " of type " +
                         std::to_string(entry.type()));
  }
  if (entry.type() != pb::TTY_PTY) {
    if (entry.has_pty()) {
      at.Error("type", std::to_string(entry.type()) + ", but pty.index says that it is a pty");
    }
    return;
  }
  const std::uint32_t index = entry.pty().index();
  at.AtMost("pty.index", index, kMostIndex);
  if (!entry.has_pty() || entry.id() / 2 != index) {
    at.Error("id", std::to_string(entry.id()) +
                       ", expected twice pty.index, and one more for a "
                       "master");
  }
}

void FileLoaderOf<Tty>::LoadInfos(Loader& loader) {
  const ImageKind& kind = ImageKindNamed("TTY_INFO");
  if (!loader.images.Has(kind)) return;
  ImageReader reader{"", ""};
  if (Failed(loader.images.Open(kind, 0, &reader, loader.diag))) return;
  std::string_view bytes;
  while (!reader.AtEnd()) {
    Info info;
    if (Failed(reader.Next(&bytes, loader.diag))) return;
    if (Failed(ParseMessage(bytes, reader, &info.entry, loader.diag))) continue;
    info.where = reader.Where();
    CheckInfo(info.entry, Place(reader, loader.diag, ""));
    const std::uint32_t id = info.entry.id();
    if (!infos_.emplace(id, std::move(info)).second) {
      loader.diag.Error(reader.Where("id"), "terminal " + std::to_string(id) + " stands twice");
    }
  }
  for (auto& [id, info] : infos_) {
    info.driver = DriverOf(info.entry, loader);
    const auto other = infos_.find(id ^ 1);
    if (!IsMasterId(id) || other == infos_.end()) continue;
    const pb::tty_info_entry& slave = other->second.entry;
    if (info.entry.type() == pb::TTY_PTY && slave.type() == pb::TTY_PTY) continue;
    loader.diag.Error(info.where + ".id",
                      std::to_string(id) + " makes it the other end of " +
                          std::to_string(other->first) + ", and they have types " +
                          std::to_string(info.entry.type()) + " and " +
                          std::to_string(slave.type()) + ": only a pty has two ends");
  }
}

void FileLoaderOf<Tty>::LoadUnread(Loader& loader) {
  const ImageKind& kind = ImageKindNamed("TTY_DATA");
  if (!loader.images.Has(kind)) return;
  ImageReader reader{"", ""};
  if (Failed(loader.images.Open(kind, 0, &reader, loader.diag))) return;
  pb::tty_data_entry entry;
  std::string_view bytes;
  while (!reader.AtEnd()) {
    if (Failed(reader.Next(&bytes, loader.diag))) return;
    if (Failed(ParseMessage(bytes, reader, &entry, loader.diag))) continue;
    const Place at(reader, loader.diag, "");
    const std::string& data = entry.data();
    at.AtMost("data", data.size(), kMostUnread);
    if (data.empty()) continue;
    if (!bytes.ends_with(data)) {
      at.Error("data", "does not stand at the end of the entry, where CRIU writes it");
      continue;
    }
    Unread unread{reader.Where(),
                  {ImageSet::NameOf(kind, 0), reader.offset() - data.size(), data.size()},
                  data.substr(0, 2)};
    if (!unread_.emplace(entry.tty_id(), std::move(unread)).second) {
      at.Error("tty_id", std::to_string(entry.tty_id()) + " stands twice");
    }
  }
}

void FileLoaderOf<Tty>::LoadObjects(Loader& loader) {
  LoadInfos(loader);
  LoadUnread(loader);
}

/// 0: nobody of the tree leads that session.
Pid FileLoaderOf<Tty>::LeaderIn(const Loader& loader, std::uint32_t sid) {
  const auto pid = static_cast<Pid>(sid);
  const bool leads =
      sid != 0 && std::ranges::any_of(loader.snapshot.tree.nodes, [&](const auto& node) {
        return node.pid == pid && node.sid == pid && !node.zombie;
      });
  return leads ? pid : 0;
}

/// A slave whose master is outside is the terminal of who restores, unless a session of the tree
/// lives on it.
TtyDriver FileLoaderOf<Tty>::DriverOf(const pb::tty_info_entry& entry, const Loader& loader) const {
  switch (entry.type()) {
    case pb::TTY_PTY:
      if (IsMasterId(entry.id())) return kPtyMaster;
      if (!entry.has_termios() || OtherEnd(entry.id()) != nullptr) return kPtySlave;
      return LeaderIn(loader, entry.sid()) != 0 ? kPtySlave : kCurrentTerminal;
    case pb::TTY_CONSOLE:
      return kConsole;
    case pb::TTY_VT:
      return kVirtualTerminal;
    case pb::TTY_SERIAL:
      return kSerialLine;
    case pb::TTY_CTTY:
      return kOwnTerminal;
    default:
      return kExternalTerminal;
  }
}

const FileLoaderOf<Tty>::Info* FileLoaderOf<Tty>::OtherEnd(std::uint32_t id) const {
  const auto other = infos_.find(id ^ 1);
  return other == infos_.end() || other->second.entry.type() != pb::TTY_PTY ? nullptr
                                                                            : &other->second;
}

/// What both ends say of the pty is the same, but that each says it only if it could.
void FileLoaderOf<Tty>::AddTerminal(Info& info, const Tty& name, Loader& loader) {
  const pb::tty_info_entry& entry = info.entry;
  Terminal& terminal = loader.snapshot.terminals[name.tty_id];
  TerminalState& state = terminal.state;
  // The caller's is as a job of the tree that had it wants it, else as it is.
  const bool callers = name.driver == kCurrentTerminal;
  const bool wanted =
      !callers || std::ranges::any_of(loader.snapshot.tree.nodes, [&](const auto& node) {
        return node.pgid == static_cast<Pid>(entry.pgrp());
      });
  if (wanted && entry.has_termios() && !state.termios) state.termios = TermiosOf(entry.termios());
  if (callers) return;
  if (entry.has_termios_locked() && !state.locked_termios) {
    const Termios locked = TermiosOf(entry.termios_locked());
    if (!IsNothing(locked)) state.locked_termios = locked;
  }
  if (entry.has_winsize() && !state.winsize) {
    const auto& size = entry.winsize();
    state.winsize = Winsize{size.ws_row(), size.ws_col(), size.ws_xpixel(), size.ws_ypixel()};
  }
  const bool master = name.driver == kPtyMaster;
  if (name.driver == kPtySlave && !entry.has_termios()) state.hung_up = true;
  if (state.hung_up) return;
  TerminalEnd& end = terminal.ends[master ? 1 : 0];
  end.exclusive = entry.exclusive();
  end.packet = master && entry.packet_mode();
  if (name.driver == kPtySlave) {
    if (entry.has_uid() && entry.uid() != kNoId) end.uid = entry.uid();
    if (entry.has_gid() && entry.gid() != kNoId) end.gid = entry.gid();
  }
  if (entry.sid() != 0) {
    terminal.leader = LeaderIn(loader, entry.sid());
    if (terminal.leader == 0) {
      loader.diag.Unsupported(info.where + ".sid", "a terminal of the tree that controls session " +
                                                       std::to_string(entry.sid()) +
                                                       ", whose leader is not of the tree");
    }
  }
  terminal.name = name;
  if (master) terminal.name.driver = kPtySlave;
}

Result FileLoaderOf<Tty>::Convert(const pb::file_entry& entry, const ImageReader& at,
                                  Loader& loader, ConvertedFile* file) {
  if (!entry.has_tty()) return MissingMessage(at, kType, loader.diag);
  const pb::tty_file_entry& from = entry.tty();
  TakeDescription("tty", from, file);
  const auto known = infos_.find(from.tty_info_id());
  if (known == infos_.end()) {
    return loader.diag.Fail(
        at.Where("tty.tty_info_id"),
        "no terminal " + std::to_string(from.tty_info_id()) + " in tty-info.img");
  }
  Info& info = known->second;
  Tty body;
  body.tty_id = TtyId{info.entry.id() / 2};
  body.driver = info.driver;
  if (IsPty(body)) body.index = info.entry.pty().index();
  const auto path = loader.files.find(from.regf_id());
  const bool has_path = from.has_regf_id() && path != loader.files.end() &&
                        path->second.type == pb::FD_REG && path->second.file >= 0;
  const RegularFile* regular =
      has_path ? As<RegularFile>(*loader.snapshot.files[path->second.file]) : nullptr;
  const bool by_path =
      body.driver == kConsole || body.driver == kVirtualTerminal || body.driver == kSerialLine;
  if (by_path) {
    if (regular == nullptr) {
      return loader.diag.Fail(at.Where("tty.regf_id"), "no file " + std::to_string(from.regf_id()) +
                                                           " of type REG before this entry");
    }
    body.path = regular->path;
    body.rdev = info.entry.rdev();
  }
  const bool elsewhere =
      regular != nullptr && regular->mount && loader.MountNamespaceOf(*regular->mount).has_value();
  if (elsewhere && body.driver != kOwnTerminal && info.entry.type() != pb::TTY_EXT_TTY) {
    file->unsupported = "terminal in a mount namespace that is not the root's";
  } else if (by_path && (regular->unlinked || loader.remaps.contains(from.regf_id()))) {
    file->unsupported = "terminal whose device is not reachable by its name";
  } else if (info.entry.type() == pb::TTY_UNKNOWN || info.entry.type() > pb::TTY_SERIAL) {
    file->unsupported = "terminal of type " + std::to_string(info.entry.type());
  } else if (info.entry.type() == pb::TTY_EXT_TTY) {
    file->external = TtyKey(info.entry);
  } else if (body.driver == kPtyMaster && !info.entry.has_termios()) {
    file->unsupported = "master of a pty that is hung up";
  } else if (body.driver == kPtySlave && !info.entry.has_termios() &&
             OtherEnd(info.entry.id()) != nullptr) {
    file->unsupported = "slave of a pty that is hung up, although it has a master";
  } else if (by_path && !info.entry.has_termios()) {
    file->unsupported = "terminal that is hung up";
  } else if ((from.flags() & O_PATH) != 0) {
    file->unsupported = "terminal that is open as a path only";
  } else if (body.driver == kPtyMaster && (from.flags() & O_ACCMODE) != O_RDWR) {
    file->unsupported = "master of a pty that is not open for both, reading and writing";
  } else if (body.driver == kPtyMaster && !info.descriptions.empty()) {
    return loader.diag.Fail(at.Where("tty.tty_info_id"),
                            "a second description of the master of pty " +
                                std::to_string(info.entry.pty().index()) + ": open(2) makes none");
  }
  if (file->unsupported.empty()) {
    info.descriptions.push_back(entry.id());
    const bool described = !file->external && body.driver != kOwnTerminal;
    if (described && !std::exchange(info.known_to_snapshot, true)) {
      AddTerminal(info, body, loader);
      TerminalEnd& end = loader.snapshot.terminals[body.tty_id].ends[0];
      if (body.driver == kPtySlave && end.uid && regular != nullptr && regular->mode) {
        end.mode = *regular->mode & 07777;
      }
    }
  }
  file->body = std::move(body);
  return Result::kOk;
}

/// A description that a process has, if possible one that is open for writing; none: nobody has the
/// end.
FileIndex FileLoaderOf<Tty>::HeldFile(const Info* info, const Loader& loader) {
  FileIndex held;
  if (info == nullptr) return held;
  for (const std::uint32_t id : info->descriptions) {
    const auto known = loader.files.find(id);
    if (known == loader.files.end() || known->second.file < 0) continue;
    if (!loader.has_descriptor[known->second.file]) continue;
    const std::uint64_t flags = loader.snapshot.files[known->second.file]->flags.bits;
    if ((flags & O_ACCMODE) != O_RDONLY) return known->second.file;
    held = known->second.file;
  }
  return held;
}

void FileLoaderOf<Tty>::FinishUnread(std::uint32_t id, Unread unread, Loader& loader) {
  const auto reader = infos_.find(id);
  const FileIndex writer = HeldFile(OtherEnd(id), loader);
  if (reader == infos_.end() || writer < 0 || HeldFile(&reader->second, loader) < 0) {
    loader.ReportUnused(unread.where, "both ends of terminal " + std::to_string(id));
    return;
  }
  if (unread.bytes.bytes == kMostUnread) {
    loader.diag.NotRestorable(unread.where, "what waits to be read behind " +
                                                std::to_string(kMostUnread) +
                                                " bytes is in no image, if there is any");
  }
  if (reader->second.entry.packet_mode()) {
    // Each read(2) has had a byte of its own before the data: TIOCPKT_DATA, or what has happened.
    if (unread.bytes.bytes > kOneRead) {
      loader.diag.Unsupported(unread.where,
                              "more than one packet in a terminal in packet mode: no image says "
                              "where one ends",
                              Loss::kQueues);
      return;
    }
    const std::uint64_t control =
        unread.head[0] == 0 ? 1 : std::min<std::uint64_t>(unread.head.size(), 2);
    unread.bytes.offset += control;
    unread.bytes.bytes -= control;
    if (unread.bytes.bytes == 0) return;
  }
  loader.snapshot.late.push_back({writer, TtyInput{std::move(unread.bytes)}});
}

/// A controlling terminal has its leader's group in the foreground, unless that is changed.
void FileLoaderOf<Tty>::FinishForeground(TtyId id, const Info& info, Loader& loader) {
  const pb::tty_info_entry& entry = info.entry;
  const auto group = static_cast<Pid>(entry.pgrp());
  const auto sid = static_cast<Pid>(entry.sid());
  const TreeSnapshot& tree = loader.snapshot.tree;
  const bool described = !info.descriptions.empty() && info.driver != kOwnTerminal;
  if (sid == 0 || group == 0 || !described) return;
  const bool outside = info.driver == kCurrentTerminal;
  if (!outside && (LeaderIn(loader, entry.sid()) == 0 || group == sid)) return;
  const bool has_member = std::ranges::any_of(
      tree.nodes, [&](const TreeNode& node) { return node.pgid == group && node.sid == sid; });
  const bool made_inside =
      std::ranges::any_of(tree.nodes, [&](const TreeNode& node) { return node.pid == group; });
  if (outside && !made_inside) return;  // that of who restores
  // Who restores makes a member for the moment; a process of that number serves in its session.
  const bool is_taken = std::ranges::any_of(tree.nodes, [&](const TreeNode& node) {
    const bool is_thread = std::ranges::find(node.tids, group) != node.tids.end();
    return node.pgid == group || node.sid == group || is_thread ||
           (node.pid == group && node.sid != sid);
  });
  const std::string what =
      "the foreground group " + std::to_string(group) + " of terminal " + std::to_string(id.value);
  if (!has_member && is_taken) {
    loader.diag.Unsupported(info.where + ".pgrp", what + ", which has no member in session " +
                                                      std::to_string(sid) +
                                                      ", and others have the number");
    return;
  }
  for (std::size_t i = 0; i < tree.nodes.size(); ++i) {
    const Process& process = loader.snapshot.processes[i];
    if (tree.nodes[i].sid != sid || process.table < 0) continue;
    for (const Descriptor& slot : loader.snapshot.tables[process.table].slots) {
      const auto* tty = As<Tty>(*loader.snapshot.files[slot.file]);
      if (tty == nullptr || tty->tty_id != id || tty->driver == kOwnTerminal) continue;
      loader.snapshot.late.push_back(
          {slot.file, TtyForeground{PidReference{group}}, ProcessIndex(i)});
      return;
    }
  }
  loader.diag.Unsupported(info.where + ".pgrp", what + ", which nobody of its session has open");
}

void FileLoaderOf<Tty>::Finish(Loader& loader) {
  for (const auto& [id, info] : infos_) CheckOwner(info, loader);
  std::size_t canonical = 0;
  std::map<std::uint64_t, const Info*> controlling;  // either end says it
  for (auto& [id, info] : infos_) {
    if (info.entry.sid() != 0) controlling.emplace(id / 2, &info);
    const FileIndex file = HeldFile(&info, loader);
    if (file < 0) continue;
    const bool master = info.driver == kPtyMaster;
    if (master && info.entry.locked()) loader.snapshot.late.push_back({file, TtyLock{true}});
    canonical += info.driver == kPtySlave && info.entry.has_termios() &&
                 (info.entry.termios().c_lflag() & ICANON) != 0;
  }
  for (const auto& [id, info] : controlling) FinishForeground(TtyId{id}, *info, loader);
  for (auto& [id, unread] : unread_) FinishUnread(id, std::move(unread), loader);
  if (canonical == 0) return;
  loader.diag.NotRestorable("tty-info.img",
                            std::to_string(canonical) +
                                " canonical terminals: what has been typed of an unfinished line "
                                "is in no image");
}

}  // namespace crgen
