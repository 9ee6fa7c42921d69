// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "images/files/file_loader.h"
#include "images/load/place.h"

namespace crgen {

/// tty-info.img has an entry for each end of a pty, and for each other terminal: tty_info_id.
template <>
class FileLoaderOf<Tty> : public FileLoader {
 public:
  static constexpr std::uint32_t kType = pb::FD_TTY;
  void LoadObjects(Loader& loader) override;
  Result Convert(const pb::file_entry& entry, const ImageReader& at, Loader& loader,
                 ConvertedFile* file) override;
  void Finish(Loader& loader) override;

 private:
  struct Info {
    std::string where;
    pb::tty_info_entry entry;
    TtyDriver driver;
    bool known_to_snapshot = false;
    std::vector<std::uint32_t> descriptions;  ///< file ids
  };
  struct Unread {
    std::string where;
    ImageBytes bytes;
    std::string head;  ///< its first bytes
  };

  void LoadInfos(Loader& loader);
  void LoadUnread(Loader& loader);
  static void CheckInfo(const pb::tty_info_entry& entry, const Place& at);
  static void CheckOwner(const Info& info, Loader& loader);
  static Pid LeaderIn(const Loader& loader, std::uint32_t sid);
  TtyDriver DriverOf(const pb::tty_info_entry& entry, const Loader& loader) const;
  /// The other end of a pty; nullptr: nobody has it.
  const Info* OtherEnd(std::uint32_t id) const;
  void AddTerminal(Info& info, const Tty& name, Loader& loader);
  static FileIndex HeldFile(const Info* info, const Loader& loader);
  void FinishUnread(std::uint32_t id, Unread unread, Loader& loader);
  void FinishForeground(TtyId id, const Info& info, Loader& loader);

  std::map<std::uint32_t, Info> infos_;
  std::map<std::uint32_t, Unread> unread_;
};

}  // namespace crgen
