// SPDX-License-Identifier: Apache-2.0
// Files without a name as the supervisor makes them, before any process exists: what they are, and
// that nothing is left of them whichever call fails.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <nlohmann/json.hpp>
#include <random>
#include <regex>
#include <set>

#include "dsl/json/program_json.h"
#include "restorer/cleanup.h"
#include "restorer/momentary_name.h"
#include "restorer/supervisor_calls.h"
#include "restorer/unlinked.h"
#include "tests/support/seed.h"

namespace crgen::restorer {
namespace {

int calls_left = 0;  ///< until one fails; 0: none does

}  // namespace

bool FailsOnPurpose() {
  if (calls_left == 0 || --calls_left != 0) return false;
  errno = EIO;
  return true;
}
bool AskedToStop() { return false; }

namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

class UnlinkedFaultsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (geteuid() != 0) GTEST_SKIP() << "makes devices";
    char name[] = "/tmp/crgen-unlinked-XXXXXX";
    ASSERT_NE(mkdtemp(name), nullptr);
    folder_ = name;
    fs::create_directory(Path(""));
    std::ofstream(folder_ + "/image") << "headhello world";
  }
  void TearDown() override {
    if (!folder_.empty()) fs::remove_all(folder_);
  }
  std::string Path(const std::string& name) const { return folder_ + "/files/" + name; }

  static Json Of(int id, unsigned mode) {
    return {{"id", id},
            {"mode", mode},
            {"uid", 1234},
            {"gid", 1235},
            {"times",
             {{"access", {{"sec", 5}, {"nsec", 0}}},
              {"modification", {{"sec", 1000000000}, {"nsec", 7}}}}}};
  }
  static Json New(int id) {
    Json it = Of(id, S_IFREG | 0640);
    it["size"] = 11;
    it["content"] = {{{"at", 0}, {"source", {{"image", "image"}, {"offset", 4}}}, {"bytes", 11}}};
    return it;
  }
  static Json With(Json it, const char* member, const Json& value) {
    it[member] = value;
    return it;
  }
  void Open(int fd, const std::string& name, Json unlinked, Json flags = {"O_RDWR"},
            const char* type = "REG") {
    Json file = {{"type", type}, {"id", fd}, {"path", Path(name)}, {"flags", std::move(flags)}};
    file["unlinked"] = std::move(unlinked);
    if (std::string(type) == "FIFO") file["pipe_id"] = 9;
    plan_.push_back({{"command", "OPEN_FILE"}, {"pid", 10}, {"fd", fd}, {"file", file}});
  }
  /// One of each type.
  void OpenAll() {
    Open(3, "folder/inside", New(1));
    Open(4, "folder", Of(2, S_IFDIR | 0751), {"O_RDONLY", "O_DIRECTORY"});
    Open(5, "folder/deeper", Of(3, S_IFDIR | 0700), {"O_RDONLY", "O_NOFOLLOW"});
    Open(6, "device", With(Of(4, S_IFCHR | 0600), "rdev", 0x105));
    Open(7, "link", With(Of(5, S_IFLNK | 0777), "target", "over/there"),
         {"O_RDONLY", "O_PATH", "O_NOFOLLOW"});
    Open(8, "nofollow", New(6), {"O_WRONLY", "O_APPEND", "O_NOFOLLOW"});
    Open(10, "named", {{"id", 8}, {"link_of", 7}}, {"O_RDONLY"});
    Open(9, "#77", New(7), {"O_RDWR", "O_TMPFILE"});
    Open(11, "fifo", Of(9, S_IFIFO | 0600), {"O_RDONLY"}, "FIFO");
    Open(13, "socket", Of(10, S_IFSOCK | 0700), {"O_RDONLY", "O_PATH"});
    Open(14, "first", New(11));
    Open(15, "gone/too/second", {{"id", 12}, {"link_of", 11}});
    Json linked = {{"type", "REG"},
                   {"id", 16},
                   {"path", Path("was")},
                   {"flags", {"O_RDONLY", "O_NOFOLLOW"}},
                   {"opened_by", Path("link_remap.1")}};
    plan_.push_back({{"command", "OPEN_FILE"}, {"pid", 10}, {"fd", 16}, {"file", linked}});
    std::ofstream(Path("kept")) << "kept";
    fs::create_hard_link(Path("kept"), Path("link_remap.1"));
    OpenLinked(17, "gone/fifo_was", "FIFO", {"O_RDWR"});
    OpenLinked(18, "device_was", "REG", {"O_RDWR"});
    OpenLinked(19, "link_was", "REG", {"O_RDONLY", "O_PATH", "O_NOFOLLOW"});
    mkfifo(Path("link_remap.17").c_str(), 0600);
    mknod(Path("link_remap.18").c_str(), S_IFCHR | 0600, 0x105);
    fs::create_symlink("over/there", Path("link_remap.19"));
    plan_.push_back(
        {{"command", "SET_ATTR"},
         {"pid", 10},
         {"attributes", {{"mm", Bounds(Path("executable_was"), Path("link_remap.1"))}}}});
  }

  void OpenLinked(int id, const std::string& name, const char* type, Json flags) {
    Json file = {{"type", type},
                 {"id", id},
                 {"path", Path(name)},
                 {"flags", std::move(flags)},
                 {"opened_by", Path("link_remap." + std::to_string(id))}};
    if (file["type"] == "FIFO") file["pipe_id"] = id;
    plan_.push_back({{"command", "OPEN_FILE"}, {"pid", 10}, {"fd", id}, {"file", file}});
  }
  static Json Bounds(const std::string& exe, const std::string& link) {
    Json mm = {{"exe", exe}, {"exe_opened_by", link}, {"auxv", Json::array()}};
    for (const char* name : {"start_code", "end_code", "start_data", "end_data", "start_stack",
                             "start_brk", "brk", "arg_start", "arg_end", "env_start", "env_end"}) {
      mm[name] = "0x0";
    }
    return mm;
  }

  std::string Make(Services* services) {
    Diagnostics diag;
    program_.clear();
    EXPECT_TRUE(Succeeded(ReadProgram(plan_.dump(), "plan", &program_, diag)))
        << (diag.entries().empty() ? "" : diag.entries().front().what);
    files_.CloseImage("image");  // held until nobody wants more of it
    files_.HoldImage("image", open((folder_ + "/image").c_str(), O_PATH | O_CLOEXEC));
    services->files = &files_;
    return MakeUnlinked(program_, services);
  }
  static void Close(const Services& services) {
    for (const auto& [id, fd] : services.unlinked) close(std::stoi(fd));
    for (const auto& [key, fd] : services.linked) close(std::stoi(fd));
    for (const auto& [id, fd] : services.made) close(fd);
  }
  std::set<std::string> Names() const {
    std::set<std::string> names;
    for (const auto& entry : fs::recursive_directory_iterator(Path(""))) {
      names.insert(entry.path().lexically_relative(Path("")));
    }
    return names;
  }
  static std::string Link(int fd) {
    return fs::read_symlink("/proc/self/fd/" + std::to_string(fd));
  }

  std::string folder_;
  HostFiles files_;
  Json plan_ = Json::array();
  Program program_;
};

TEST_F(UnlinkedFaultsTest, EachTypeIsMade) {
  OpenAll();
  const std::set<std::string> before = Names();
  Services services;
  ASSERT_EQ(Make(&services), "");
  EXPECT_EQ(Names(), before);
  const std::pair<std::uint64_t, const char*> kNames[] = {
      {1, "folder/inside"}, {2, "folder"},   {3, "folder/deeper"},   {4, "device"},
      {5, "link"},          {6, "nofollow"}, {8, "named"},           {9, "fifo"},
      {10, "socket"},       {11, "first"},   {12, "gone/too/second"}};
  for (const auto& [id, name] : kNames) {
    SCOPED_TRACE(name);
    const int fd = std::stoi(services.unlinked.at(UnlinkedId{id}));
    EXPECT_EQ(Link(fd), Path(name) + " (deleted)");
    struct stat facts = {};
    ASSERT_EQ(fstat(fd, &facts), 0);
    EXPECT_EQ(facts.st_nlink, 0u);
    EXPECT_EQ(facts.st_uid, 1234u);
    EXPECT_EQ(facts.st_gid, 1235u);
    EXPECT_EQ(facts.st_mtim.tv_sec, 1000000000);
    EXPECT_EQ(facts.st_mtim.tv_nsec, 7);
    const mode_t modes[] = {0,       0100640, 040751, 040700,  020600,  0120777, 0100640,
                            0100640, 0100640, 010600, 0140700, 0100640, 0100640};
    EXPECT_EQ(facts.st_mode, modes[id]);
    EXPECT_EQ(facts.st_size, S_ISREG(facts.st_mode)   ? 11
                             : S_ISLNK(facts.st_mode) ? 10
                                                      : facts.st_size);
    EXPECT_EQ(facts.st_rdev, S_ISCHR(facts.st_mode) ? 0x105u : 0u);
  }
  const std::pair<std::uint64_t, int> kFlags[] = {{5, O_RDONLY | O_NOFOLLOW},
                                                  {7, O_PATH | O_NOFOLLOW},
                                                  {8, O_WRONLY | O_APPEND | O_NOFOLLOW},
                                                  {9, O_RDWR | O_TMPFILE},
                                                  {16, O_RDONLY | O_NOFOLLOW},
                                                  {19, O_PATH | O_NOFOLLOW}};
  EXPECT_EQ(services.made.size(), std::size(kFlags));
  for (const auto& [file, flags] : kFlags) {
    SCOPED_TRACE(file);
    const int fd = services.made.at(FileId{file});
    EXPECT_EQ(fcntl(fd, F_GETFL) & ~0100000, flags);
  }
  EXPECT_NE(Link(services.made.at(FileId{9})).find("/files/#"), std::string::npos);
  EXPECT_EQ(Link(services.made.at(FileId{16})), Path("was") + " (deleted)");
  const std::tuple<const char*, const char*, mode_t> kLinked[] = {
      {"gone/fifo_was", "link_remap.17", 010600},
      {"device_was", "link_remap.18", 020600},
      {"link_was", "link_remap.19", 0120777},
      {"executable_was", "link_remap.1", 0100644}};
  EXPECT_EQ(services.linked.size(), 1 + std::size(kLinked));
  for (const auto& [path, link, mode] : kLinked) {
    SCOPED_TRACE(path);
    const int fd = std::stoi(services.linked.at(LinkKey(Text{Path(path)}, Text{Path(link)}, {})));
    EXPECT_EQ(Link(fd), Path(path) + " (deleted)");
    struct stat facts = {};
    ASSERT_EQ(fstat(fd, &facts), 0);
    EXPECT_EQ(facts.st_mode, mode);
  }
  Close(services);
}

TEST_F(UnlinkedFaultsTest, NothingIsLeftWhicheverCallFails) {
  OpenAll();
  std::ofstream(Path("folder")) << "live";  // its name is taken
  std::ofstream(Path("first")) << "live";
  const std::set<std::string> before = Names();
  int failures = 0;
  for (int call = 1;; ++call) {
    SCOPED_TRACE(call);
    Services services;
    calls_left = call;
    const std::string problem = Make(&services);
    const bool failed = calls_left == 0;
    calls_left = 0;
    EXPECT_EQ(problem.empty(), !failed) << problem;
    EXPECT_EQ(Names(), before);
    Close(services);
    if (!failed) break;
    ++failures;
    ASSERT_LT(failures, 1000);
  }
  EXPECT_GT(failures, 40);
}

TEST_F(UnlinkedFaultsTest, NamesThatAreTakenStay) {
  OpenAll();
  for (const char* name : {"folder", "link", "fifo", "named", "was", "nofollow", "gone"}) {
    std::ofstream(Path(name)) << "live";
  }
  const std::set<std::string> before = Names();
  Services services;
  ASSERT_EQ(Make(&services), "");
  EXPECT_EQ(Names(), before);
  const auto link = [&](std::uint64_t id) {
    return Link(std::stoi(services.unlinked.at(UnlinkedId{id})));
  };
  EXPECT_EQ(link(2), Path("folder.crrestore-1") + " (deleted)");
  EXPECT_EQ(link(1), Path("folder.crrestore-1/inside") + " (deleted)");
  EXPECT_EQ(link(3), Path("folder.crrestore-1/deeper") + " (deleted)");
  EXPECT_EQ(link(12), Path("gone.crrestore-1/too/second") + " (deleted)");
  EXPECT_EQ(link(5), Path("link.crrestore-1") + " (deleted)");
  EXPECT_EQ(link(6), Path("nofollow.crrestore-1") + " (deleted)");
  EXPECT_EQ(link(8), Path("named.crrestore-1") + " (deleted)");
  EXPECT_EQ(link(9), Path("fifo.crrestore-1") + " (deleted)");
  EXPECT_EQ(Link(services.made.at(FileId{16})), Path("was.crrestore-1") + " (deleted)");
  std::string text;
  std::getline(std::ifstream(Path("folder")), text);
  EXPECT_EQ(text, "live");
  Close(services);
}

/// The kernel as judge: what open, link, unlink, rename, mkdir and rmdir in any order leave of open
/// files is made again, and fstat(2) and the links of proc(5) say what they said.
class UnlinkedHistoryTest : public UnlinkedFaultsTest {
 protected:
  struct Known {
    struct stat facts;
    std::string link;  ///< of proc(5)
  };
  struct Count {
    int unlinked = 0, linked = 0, names = 0, folders = 0;
  };
  int Below(int end) { return static_cast<int>(random_() % static_cast<unsigned>(end)); }
  std::string AnyName() {
    const char* const kNames[] = {"a", "b", "c", "d", "d/a", "d/b", "d/a/b"};
    return Path(kNames[Below(std::size(kNames))]);
  }
  void Step() {
    const std::string name = AnyName(), other = AnyName();
    switch (Below(11)) {
      case 0:
      case 1:
        Take(open(name.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600 + Below(64)));
        break;
      case 2:
        Take(open(name.c_str(), O_RDONLY | O_CLOEXEC));  // folders, too
        break;
      case 3:
      case 4:
      case 5:
        if (link(name.c_str(), other.c_str()) == 0) Take(open(other.c_str(), O_RDWR | O_CLOEXEC));
        break;
      case 6:
        rename(name.c_str(), other.c_str());
        break;
      case 7:
        mkdir(name.c_str(), 0700 + Below(64));
        break;
      case 8:
        rmdir(name.c_str());
        break;
      default:
        unlink(name.c_str());
    }
  }
  void Take(int fd) {
    if (fd >= 0) open_.push_back(fd);
  }
  /// As the dumper does: what has no name, what has another one, and nothing of the rest.
  std::map<int, Known> Dump() {
    constexpr std::string_view kDeleted = " (deleted)";
    std::map<int, Known> all;
    std::map<std::string, int> ids;  // by inode, and by inode and path
    for (const int fd : open_) {     // before there is any link of the dumper
      fstat(fd, &all[fd].facts);
      all[fd].link = Link(fd);
    }
    std::erase_if(all, [&](const auto& it) { return !it.second.link.ends_with(kDeleted); });
    for (const auto& [fd, it] : all) {
      const std::string path = it.link.substr(0, it.link.size() - kDeleted.size());
      const std::string inode = std::to_string(it.facts.st_ino);
      const bool folder = S_ISDIR(it.facts.st_mode);
      Json file = {{"type", "REG"}, {"id", fd}, {"path", path}, {"flags", {"O_RDONLY"}}};
      if (it.facts.st_nlink == 0) {
        const auto [first, fresh] = ids.try_emplace(inode, fd);
        const auto [known, named] = ids.try_emplace(inode + path, fd);
        Json unlinked = folder ? Of(fd, it.facts.st_mode) : New(fd);
        if (fresh) unlinked["mode"] = it.facts.st_mode;
        if (!fresh) unlinked = {{"id", known->second}};
        if (!fresh && named) unlinked["link_of"] = first->second;
        count_.names += !fresh && named;
        count_.folders += folder;
        file["unlinked"] = unlinked;
        ids_[fd] = known->second;
      } else {
        const std::string link = Path("link_remap." + inode);
        linkat(AT_FDCWD, ("/proc/self/fd/" + std::to_string(fd)).c_str(), AT_FDCWD, link.c_str(),
               AT_SYMLINK_FOLLOW);
        file["opened_by"] = link;
        keys_[fd] = LinkKey(Text{path}, Text{link}, {});
      }
      plan_.push_back({{"command", "OPEN_FILE"}, {"pid", 10}, {"fd", fd}, {"file", file}});
    }
    return all;
  }
  static std::string WithoutOtherNames(const std::string& path) {
    return std::regex_replace(path, std::regex("\\.crrestore-[0-9]+"), "");
  }
  void Compare(const std::map<int, Known>& all, const Services& services) {
    std::map<ino_t, ino_t> inodes;
    for (const auto& [fd, before] : all) {
      SCOPED_TRACE(before.link);
      const bool linked = keys_.contains(fd);
      const int held = std::stoi(
          linked ? services.linked.at(keys_[fd])
                 : services.unlinked.at(UnlinkedId{static_cast<std::uint64_t>(ids_[fd])}));
      struct stat facts = {};
      ASSERT_EQ(fstat(held, &facts), 0);
      EXPECT_EQ(facts.st_nlink, before.facts.st_nlink);
      EXPECT_EQ(facts.st_mode, before.facts.st_mode);
      EXPECT_EQ(WithoutOtherNames(Link(held)), before.link);
      EXPECT_TRUE(!linked || SameInode(facts, before.facts));
      EXPECT_EQ(inodes.try_emplace(before.facts.st_ino, facts.st_ino).first->second, facts.st_ino);
      (linked ? count_.linked : count_.unlinked)++;
    }
  }
  void Forget() {
    for (const int fd : open_) close(fd);
    open_.clear();
    plan_ = Json::array();
    ids_.clear();
    keys_.clear();
    fs::remove_all(Path(""));
    fs::create_directory(Path(""));
  }

  std::mt19937 random_{test::FirstSeed()};
  std::vector<int> open_;
  std::map<int, int> ids_;
  std::map<int, std::string> keys_;
  Count count_;
};

TEST_F(UnlinkedHistoryTest, FilesAreAsTheKernelHadThem) {
  for (int round = 0; round < 400 && !HasFailure(); ++round) {
    SCOPED_TRACE(round);
    for (int i = 0; i < 60; ++i) Step();
    const std::set<std::string> names = Names();
    const std::map<int, Known> all = Dump();
    const std::set<std::string> with_links = Names();
    Services services;
    ASSERT_EQ(Make(&services), "");
    EXPECT_EQ(Names(), with_links);
    ::testing::internal::CaptureStderr();
    RemoveLinks(services.links, services.paths);
    EXPECT_EQ(::testing::internal::GetCapturedStderr(), "");
    EXPECT_EQ(Names(), names);
    Compare(all, services);
    Close(services);
    Forget();
  }
  std::printf("%d unlinked, %d of them by a further name, %d folders, %d with another name\n",
              count_.unlinked, count_.names, count_.folders, count_.linked);
  EXPECT_GT(count_.unlinked, 300);
  EXPECT_GT(count_.linked, 100);
  EXPECT_GT(count_.names, 20);
  EXPECT_GT(count_.folders, 50);
}

}  // namespace
}  // namespace crgen::restorer
