// SPDX-License-Identifier: Apache-2.0
#include "tests/support/dump_edit.h"

#include "tests/support/bpf_images.h"
#include "tests/support/edit_words.h"
#include "tests/support/inet_images.h"
#include "tests/support/namespace_images.h"
#include "tests/support/netlink_images.h"
#include "tests/support/packet_images.h"
#include "tests/support/tty_images.h"

namespace crgen::test {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

constexpr std::pair<std::string_view, std::uint32_t> kStatus[] = {
    {"regular", kRegular},
    {"vsyscall", kVsyscall},
    {"vdso", kVdso},
    {"heap", kHeap},
    {"file_private", kFilePrivate},
    {"file_shared", kFileShared},
    {"anon_shared", kAnonShared},
    {"anon_private", kAnonPrivate},
    {"sysvipc", kSysvIpc},
    {"socket", kSocket},
    {"vvar", kVvar},
    {"aioring", kAioRing},
    {"memfd", kMemfd},
    {"shadow_stack", kShadowStack},
    {"guard", kGuard},
    {"ext_plugin", kExtPlugin},
    {"unsupported", kUnsupportedArea}};

std::uint32_t Status(std::string_view names) {
  std::uint32_t status = 0;
  while (!names.empty()) {
    const std::string_view name = names.substr(0, names.find('|'));
    const auto* found = std::find_if(std::begin(kStatus), std::end(kStatus),
                                     [&](const auto& row) { return row.first == name; });
    if (found == std::end(kStatus)) throw BadEdit{"no status " + std::string(name)};
    status |= found->second;
    names.remove_prefix(std::min(name.size() + 1, names.size()));
  }
  return status;
}

std::uint32_t FileType(std::string_view name) {
  pb::fd_types type;
  if (pb::fd_types_Parse("FD_" + std::string(name), &type)) {
    return static_cast<std::uint32_t>(type);
  }
  return static_cast<std::uint32_t>(Words::ParseNumber(name));
}

// ---- places

template <typename Messages>
Message* At(Messages& messages, std::size_t index) {
  if (index == messages.size()) messages.emplace_back();
  if (index >= messages.size()) throw BadEdit{"no entry " + std::to_string(index)};
  return &messages[index];
}

template <typename Messages>
void RemoveLast(Messages& messages, std::size_t index) {
  if (index + 1 != messages.size()) throw BadEdit{"is not the last entry"};
  messages.pop_back();
}

/// Applies `use` to the entries of the image, if it is one that has many of them.
template <typename Use>
bool WithEntries(Dump& dump, const std::string& image, std::uint32_t number, Use use) {
  if (image == "pstree.img") {
    use(dump.tree);
  } else if (image == "files.img") {
    use(dump.files);
  } else if (image == "memfd.img") {
    use(dump.memfds);
  } else if (image == "remap-fpath.img") {
    use(dump.remaps);
  } else if (image == "filelocks.img") {
    use(dump.locks);
  } else if (image == "tty-info.img") {
    use(dump.terminals);
  } else if (image == "tty-data.img") {
    use(dump.unread);
  } else if (image.starts_with("mountpoints-")) {
    use(dump.mounts[number]);
  } else if (image.starts_with("netdev-")) {
    use(dump.devices[number]);
  } else if (image.starts_with("fdinfo-")) {
    use(dump.tables[number]);
  } else {
    return false;
  }
  return true;
}

Message* SingleEntry(Dump& dump, const std::string& image, std::uint32_t number) {
  if (image == "inventory.img") return &dump.inventory;
  if (image == "seccomp.img") return dump.seccomp ? &*dump.seccomp : &dump.seccomp.emplace();
  if (image == "cgroup.img") return dump.cgroup ? &*dump.cgroup : &dump.cgroup.emplace();
  if (image.starts_with("ghost-file-")) return &dump.ghosts[number].entry;
  if (image.starts_with("pidns-")) return &dump.pids[number];
  if (image.starts_with("utsns-")) return &dump.uts[number];
  if (image.starts_with("userns-")) return &dump.users[number];
  if (image.starts_with("ipcns-var-")) return &dump.ipcs[number];
  if (image.starts_with("netns-")) return &dump.nets[number];
  if (image.starts_with("core-")) return &dump.cores[number];
  if (image.starts_with("ids-")) return &dump.ids[number];
  if (image.starts_with("mm-")) return &dump.mms[number];
  if (image.starts_with("fs-")) return &dump.fs[number];
  throw BadEdit{"no image " + image};
}

/// `image.img[entry].field[index].field`, as diagnostics write it.
class Place {
 public:
  Place(std::string_view text, Dump* dump) : dump_(*dump) {
    const std::size_t bracket = text.find('[');
    image_ = text.substr(0, bracket);
    rest_ = text.substr(std::min(bracket, text.size()));
    const std::size_t dash = image_.rfind('-'), dot = image_.rfind('.');
    if (image_.starts_with("ghost-file-")) {
      number_ = static_cast<std::uint32_t>(
          Words::ParseNumber("0x" + image_.substr(dash + 1, dot - dash - 1)));
    } else if (dash < dot && std::isdigit(static_cast<unsigned char>(image_[dash + 1])) != 0) {
      number_ = static_cast<std::uint32_t>(
          Words::ParseNumber(std::string_view(image_).substr(dash + 1, dot - dash - 1)));
    }
    entry_ = Index();
  }

  void Set(Words value) {
    Walk();
    if (field_ == nullptr) throw BadEdit{"names no field"};
    const auto* reflection = message_->GetReflection();
    if (field_->cpp_type() == FieldDescriptor::CPPTYPE_STRING) {
      const std::string bytes = value.Quoted();
      field_->is_repeated() ? reflection->SetRepeatedString(message_, field_, index_, bytes)
                            : reflection->SetString(message_, field_, bytes);
    } else {
      SetNumber(value.Number());
    }
    if (!value.Empty()) throw BadEdit{"goes on behind the value"};
  }

  void MakePresent() {
    Walk();
    if (field_ != nullptr) throw BadEdit{"is no message"};
  }

  void MakeAbsent() {
    if (rest_.empty()) {
      auto remove = [&](auto& entries) { RemoveLast(entries, entry_); };
      if (image_.starts_with("pagemap-")) {
        RemoveLast(dump_.pagemaps.at(image_).runs, entry_ - 1);
      } else if (!WithEntries(dump_, image_, number_, remove)) {
        throw BadEdit{"cannot be removed"};
      }
      return;
    }
    Walk(/*stop_at_last=*/true);
    const auto* reflection = message_->GetReflection();
    if (index_ < 0) return reflection->ClearField(message_, field_);
    if (index_ + 1 != reflection->FieldSize(*message_, field_)) {
      throw BadEdit{"is not the last element"};
    }
    reflection->RemoveLast(message_, field_);
  }

 private:
  std::size_t Index() {
    if (!rest_.starts_with('[')) throw BadEdit{"expected [index]"};
    const std::size_t end = rest_.find(']');
    const std::uint64_t index = Words::ParseNumber(rest_.substr(1, end - 1));
    rest_.remove_prefix(std::min(end, rest_.size() - 1) + 1);
    return index;
  }

  Message* Entry() {
    Message* found = nullptr;
    if (image_.starts_with("pagemap-")) return At(dump_.pagemaps[image_].runs, entry_ - 1);
    if (WithEntries(dump_, image_, number_, [&](auto& all) { found = At(all, entry_); })) {
      return found;
    }
    if (entry_ != 0) throw BadEdit{"has one entry"};
    return SingleEntry(dump_, image_, number_);
  }

  /// Down to the message and, if that is no message itself, the field of it that is meant. Messages
  /// and elements on the way are made.
  void Walk(bool stop_at_last = false) {
    message_ = Entry();
    while (!rest_.empty()) {
      rest_.remove_prefix(1);  // the dot
      const std::string name(rest_.substr(0, rest_.find_first_of(".[")));
      rest_.remove_prefix(name.size());
      field_ = message_->GetDescriptor()->FindFieldByName(name);
      if (field_ == nullptr) {
        throw BadEdit{message_->GetDescriptor()->name() + " has no field " + name};
      }
      index_ = rest_.starts_with('[') ? static_cast<int>(Index()) : -1;
      if (stop_at_last && rest_.empty()) return;
      if (field_->is_repeated() != (index_ >= 0)) throw BadEdit{name + ": index wanted, or none"};
      Descend();
    }
  }

  void Descend() {
    const auto* reflection = message_->GetReflection();
    const bool is_message = field_->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE;
    if (index_ > 0 && index_ > reflection->FieldSize(*message_, field_)) {
      throw BadEdit{field_->name() + " has no element before this one"};
    }
    const bool is_new = index_ >= 0 && index_ == reflection->FieldSize(*message_, field_);
    if (!is_message) {
      if (!rest_.empty()) throw BadEdit{field_->name() + " is no message"};
      if (is_new) AddElement();
      return;
    }
    message_ = index_ < 0 ? reflection->MutableMessage(message_, field_)
               : is_new   ? reflection->AddMessage(message_, field_)
                          : reflection->MutableRepeatedMessage(message_, field_, index_);
    field_ = nullptr;
  }

  void AddElement() {
    const auto* reflection = message_->GetReflection();
    switch (field_->cpp_type()) {
      case FieldDescriptor::CPPTYPE_UINT32:
        return reflection->AddUInt32(message_, field_, 0);
      case FieldDescriptor::CPPTYPE_UINT64:
        return reflection->AddUInt64(message_, field_, 0);
      case FieldDescriptor::CPPTYPE_STRING:
        return reflection->AddString(message_, field_, "");
      default:
        throw BadEdit{field_->name() + " cannot grow"};
    }
  }

  void SetNumber(std::uint64_t value) {
    const auto* reflection = message_->GetReflection();
    const bool repeated = field_->is_repeated();
    const auto u32 = static_cast<std::uint32_t>(value);
    switch (field_->cpp_type()) {
      case FieldDescriptor::CPPTYPE_UINT32:
        return repeated ? reflection->SetRepeatedUInt32(message_, field_, index_, u32)
                        : reflection->SetUInt32(message_, field_, u32);
      case FieldDescriptor::CPPTYPE_UINT64:
        return repeated ? reflection->SetRepeatedUInt64(message_, field_, index_, value)
                        : reflection->SetUInt64(message_, field_, value);
      case FieldDescriptor::CPPTYPE_INT32:
        return reflection->SetInt32(message_, field_, static_cast<std::int32_t>(value));
      case FieldDescriptor::CPPTYPE_INT64:
        return reflection->SetInt64(message_, field_, static_cast<std::int64_t>(value));
      case FieldDescriptor::CPPTYPE_BOOL:
        return reflection->SetBool(message_, field_, value != 0);
      default:
        throw BadEdit{field_->name() + " is no number"};
    }
  }

  Dump& dump_;
  std::string image_;
  std::uint32_t number_ = 0;  // of core-10.img: 10
  std::size_t entry_ = 0;
  std::string_view rest_;
  Message* message_ = nullptr;
  const FieldDescriptor* field_ = nullptr;  // nullptr: the message as a whole is meant
  int index_ = -1;
};

// ---- verbs

struct Verb {
  std::string_view name;
  void (*apply)(Words& words, Dump& dump);
};

const Verb kVerbs[] = {
    {"ghost",
     [](Words& words, Dump& dump) {
       pb::remap_file_path_entry& remap = dump.remaps.emplace_back();
       remap.set_orig_id(U32(words));
       dump.AddFile(remap.orig_id(), words.Quoted());
       remap.set_remap_id(U32(words));
       remap.set_remap_type(1);
       Dump::Ghost& ghost = dump.ghosts[remap.remap_id()];
       ghost.entry.set_mode(0100644);
       ghost.rest = words.Quoted();
     }},
    {"piece",
     [](Words& words, Dump& dump) {
       Dump::Ghost& ghost = dump.ghosts[U32(words)];
       ghost.entry.set_chunks(true);
       pb::ghost_chunk_entry piece;
       piece.set_off(words.Number());
       piece.set_len(words.Number());
       ghost.rest += Entry(BytesOf(piece)) + words.Quoted();
     }},
    {"lock",
     [](Words& words, Dump& dump) {
       pb::file_lock_entry& lock = dump.locks.emplace_back();
       lock.set_pid(static_cast<std::int32_t>(U32(words)));
       lock.set_fd(static_cast<std::int32_t>(U32(words)));
       lock.set_flag(U32(words));
       lock.set_type(U32(words));
       lock.set_start(static_cast<std::int64_t>(words.Number()));
       lock.set_len(static_cast<std::int64_t>(words.Number()));
     }},
    {"process", Add<&Dump::AddProcess, Dump>},
    {"thread", Add<&Dump::AddThread, Dump>},
    {"zombie",
     [](Words& words, Dump& dump) {
       const std::uint32_t pid = U32(words), parent = U32(words);
       dump.AddZombie(pid, parent, U32(words));
     }},
    {"file",
     [](Words& words, Dump& dump) {
       const std::uint32_t id = U32(words);
       dump.AddFile(id, words.Quoted());
     }},
    {"other",
     [](Words& words, Dump& dump) {
       const std::uint32_t id = U32(words);
       dump.AddOther(id, FileType(words.Word()));
     }},
    {"memfd",
     [](Words& words, Dump& dump) {
       const std::uint32_t id = U32(words), inode = U32(words), shmid = U32(words);
       const std::string name = words.Quoted();
       dump.AddMemfd(id, inode, shmid, name, words.Number());
     }},
    {"pipe",
     [](Words& words, Dump& dump) {
       pb::file_entry& file = dump.AddOther(U32(words), pb::FD_PIPE);
       file.mutable_pipe()->set_id(file.id());
       file.mutable_pipe()->set_pipe_id(U32(words));
       file.mutable_pipe()->set_flags(U32(words));
     }},
    {"fifo",
     [](Words& words, Dump& dump) {
       pb::file_entry& file = dump.AddOther(U32(words), pb::FD_FIFO);
       file.mutable_fifo()->set_id(file.id());
       file.mutable_fifo()->set_pipe_id(U32(words));
       file.mutable_fifo()->set_regf_id(U32(words));
     }},
    {"queue",
     [](Words& words, Dump& dump) {
       const std::string kind(words.Word());
       const std::uint32_t pipe = U32(words), bytes = U32(words);
       dump.AddQueue(kind, pipe, bytes,
                     words.Empty() ? std::nullopt : std::optional<std::uint32_t>(U32(words)));
     }},
    {"terminal",
     [](Words& words, Dump& dump) {
       const std::uint32_t id = U32(words), type = U32(words), session = U32(words);
       AddTerminal(dump, {id, type, session, U32(words)});
     }},
    {"tty",
     [](Words& words, Dump& dump) {
       const std::uint32_t id = U32(words);
       AddTty(dump, id, U32(words));
     }},
    {"own",
     [](Words& words, Dump& dump) {
       const std::string kind(words.Word());
       if (!AddOwnNamespace(dump, kind, U32(words))) throw BadEdit{"no kind of namespace " + kind};
     }},
    {"mount",
     [](Words& words, Dump& dump) {
       const std::uint32_t in = U32(words), id = U32(words), parent = U32(words);
       const std::uint32_t fstype = U32(words), device = U32(words);
       const std::string root = words.Quoted();
       AddMount(dump, in, {id, parent, fstype, device, root, words.Quoted()});
     }},
    {"inet", [](Words& words, Dump& dump) { AddInetSocket(dump, Six(words)); }},
    {"netlink",
     [](Words& words, Dump& dump) {
       std::array<std::uint32_t, 5> numbers;
       for (std::uint32_t& number : numbers) number = U32(words);
       AddNetlinkSocket(dump, numbers);
     }},
    {"map",
     [](Words& words, Dump& dump) {
       const std::uint32_t id = U32(words), map = U32(words), type = U32(words);
       AddBpfMap(dump, {id, map, type, U32(words)});
     }},
    {"elements",
     [](Words& words, Dump& dump) {
       const std::uint32_t map = U32(words), count = U32(words);
       const std::string keys = words.Quoted();
       AddBpfData(dump, map, count, keys, words.Quoted());
     }},
    {"packet",
     [](Words& words, Dump& dump) {
       const std::uint32_t id = U32(words), type = U32(words), protocol = U32(words);
       AddPacketSocket(dump, {id, type, protocol, U32(words)});
     }},
    {"member",
     [](Words& words, Dump& dump) {
       const std::uint32_t file = U32(words), type = U32(words);
       AddMembership(dump, file, type, words.Quoted());
     }},
    {"ns",
     [](Words& words, Dump& dump) {
       const std::uint32_t id = U32(words), in = U32(words);
       AddNamespaceFile(dump, id, in, U32(words));
     }},
    {"tun", [](Words& words, Dump& dump) { AddTunFile(dump, U32(words)); }},
    {"stream", [](Words& words, Dump& dump) { AddTcpStream(dump, Six(words)); }},
    {"descriptor",
     [](Words& words, Dump& dump) {
       const std::uint32_t table = U32(words), fd = U32(words), file = U32(words);
       dump.AddDescriptor(table, fd, file, FileType(words.Word()));
     }},
    {"area",
     [](Words& words, Dump& dump) {
       const std::uint32_t pid = U32(words);
       const std::uint64_t start = words.Number(), pages = words.Number();
       dump.AddArea(pid, start, pages, Status(words.Word()));
     }},
    {"pages",
     [](Words& words, Dump& dump) {
       Pagemap& pagemap = dump.pagemaps[std::string(words.Word())];
       const std::uint64_t start = words.Number(), pages = words.Number();
       pagemap.runs.push_back(PagesAt(start, pages, U32(words)));
     }},
    {"pages_id",
     [](Words& words, Dump& dump) {
       Pagemap& pagemap = dump.pagemaps[std::string(words.Word())];
       pagemap.pages_id = U32(words);
     }},
    {"drop",
     [](Words& words, Dump& dump) { dump.edits.push_back(Drop(std::string(words.Word()))); }},
    {"cut_to",
     [](Words& words, Dump& dump) {
       const std::string name(words.Word());
       dump.edits.push_back(CutTo(name, words.Number()));
     }},
    {"cut_by",
     [](Words& words, Dump& dump) {
       const std::string name(words.Word());
       dump.edits.push_back(CutBy(name, words.Number()));
     }},
    {"word",
     [](Words& words, Dump& dump) {
       const std::string name(words.Word());
       const std::uint64_t at = words.Number();
       dump.edits.push_back(Word(name, at, U32(words)));
     }},
    {"append",
     [](Words& words, Dump& dump) {
       const std::string name(words.Word());
       dump.edits.push_back(Append(name, words.Quoted()));
     }},
    {"put",
     [](Words& words, Dump& dump) {
       const std::string name(words.Word());
       dump.edits.push_back(Put(name, words.Quoted()));
     }},
};

void Apply(std::string_view edit, Dump* dump) {
  Words words(edit);
  const std::string_view first = words.Word();
  for (const Verb& verb : kVerbs) {
    if (verb.name != first) continue;
    verb.apply(words, *dump);
    if (!words.Empty()) throw BadEdit{"goes on behind its end"};
    return;
  }
  const std::string_view how = words.Word();
  if (how == "=") return Place(first, dump).Set(words);
  if (!words.Empty()) throw BadEdit{"goes on behind its end"};
  if (how == "present") return Place(first, dump).MakePresent();
  if (how == "absent") return Place(first, dump).MakeAbsent();
  throw BadEdit{"is no change"};
}

}  // namespace

std::string ApplyEdit(std::string_view edit, Dump* dump) {
  try {
    Apply(edit, dump);
  } catch (const BadEdit& bad) {
    return std::string(edit) + ": " + bad.why;
  }
  return "";
}

}  // namespace crgen::test
