// SPDX-License-Identifier: Apache-2.0
// Images: regular files below the folder, those that the plan was made of, long enough for what is
// loaded from them.
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <thread>
#include <type_traits>
#include <unordered_map>

#include "dsl/references.h"
#include "model/digest.h"
#include "model/dump_run.h"
#include "preflight/doing.h"
#include "preflight/question.h"

namespace crgen::preflight {
namespace {

constexpr std::size_t kMostNames = 3;  // in one line
constexpr const char* kOtherImages = "this plan is not of these images: ";
constexpr const char* kWhichImages = "--images names the folder of the dump";

class ImageQuestion : public QuestionOn<ImageQuestion> {
 public:
  explicit ImageQuestion(Context& context)
      : QuestionOn(context),
        folder_(OpenPath(AT_FDCWD, context.options.images, O_DIRECTORY, 0)),
        folder_error_(folder_ < 0 ? errno : 0) {}
  ~ImageQuestion() override {
    if (folder_ >= 0) close(folder_);
  }

  template <typename Body>
  void On(const Body& body) {
    if constexpr (std::is_same_v<Body, Fork>) CheckDump(body);
  }
  void Ask(const Command& command) override {
    QuestionOn::Ask(command);
    // The checker has bounded how much that is.
    ForEachSource(command.body,
                  [this](const ImageSpan& span, std::uint64_t bytes) { CheckSpan(span, bytes); });
  }

 private:
  void CheckSpan(const ImageSpan& span, std::uint64_t bytes) {
    const auto [known, fresh] = sizes_.try_emplace(span.image, -1);
    std::vector<std::string> missing;
    if (fresh) known->second = SizeOf(span.image, &missing);
    TellMissing(missing);
    if (known->second < 0) return;  // told
    const auto size = static_cast<std::uint64_t>(known->second);
    if (span.offset <= size && bytes <= size - span.offset) return;
    const bool pages = bytes % kPageSize == 0;
    findings_.Wrong(span.image + " has " + std::to_string(size) + " bytes: not " +
                    std::to_string(pages ? bytes / kPageSize : bytes) +
                    (pages ? " pages from " : " from ") + std::to_string(span.offset));
  }

  /// Whether the images are those that the plan was made of.
  void CheckDump(const Fork& fork) {
    if (fork.about == nullptr || !fork.about->dump) return;
    const std::vector<ImageFile>& files = fork.about->dump->images;
    std::vector<const ImageFile*> others, with_digest;
    std::vector<std::string> missing;
    std::string first;  // what is wrong with the first of them
    if (const std::string run = OtherRun(*fork.about->dump); !run.empty()) {
      return findings_.Wrong(kOtherImages + run, kWhichImages);
    }
    const auto differs = [&](const ImageFile& file, const std::string& found) {
      if (others.empty()) first = file.name + " " + found;
      others.push_back(&file);
      sizes_[file.name] = -1;
    };
    for (const ImageFile& file : files) {
      if (file.digest && file.digest->algorithm() != Digest::kSha256) {
        findings_.Unsupported("about.dump.images: a digest of " +
                              std::string(file.digest->algorithm()) + ", expected sha256");
        continue;
      }
      const auto [known, fresh] = sizes_.try_emplace(file.name, -1);
      if (fresh) known->second = SizeOf(file.name, &missing, file.digest.has_value());
      if (known->second < 0) continue;  // told
      if (static_cast<std::uint64_t>(known->second) != file.size) {
        differs(file, "has " + std::to_string(known->second) + " bytes, expected " +
                          std::to_string(file.size));
      } else if (file.digest) {
        with_digest.push_back(&file);
      }
    }
    TellMissing(missing);
    const std::vector<HeldDigest> digests = DigestsOf(with_digest);
    for (std::size_t i = 0; i < digests.size(); ++i) {
      const ImageFile& file = *with_digest[i];
      if (digests[i].error != 0) {
        findings_.Wrong(file.name + ": " + std::strerror(digests[i].error));
        sizes_[file.name] = -1;
      } else if (digests[i].digest != *file.digest) {
        differs(file, "has " + digests[i].digest.text + ", expected " + file.digest->text);
      }
    }
    if (others.empty()) return;
    findings_.Wrong(
        kOtherImages + first +
            (others.size() == 1 ? "" : "; " + std::to_string(others.size() - 1) + " more differ"),
        kWhichImages);
  }

  /// What inventory.img says against it; empty: nothing, or it is not there. Another dump of the
  /// same program has images of the same sizes.
  std::string OtherRun(const DumpIdentity& dump) {
    if (dump.id.empty() || dump.images.empty() || folder_ < 0) return "";
    const std::string inventory = kInventory;
    const std::string path = PathOf(inventory);
    Doing doing("reading it", path);
    const int held = OpenBelow(inventory);
    if (held < 0 && errno == ENOENT) {
      findings_.Warn("the folder of images \"" + context_.options.images + "\" has no " +
                         inventory + ": whether they are of the run " + dump.id + " is not known",
                     "copy it beside the images");
      return "";
    }
    if (held < 0) return inventory + ": " + std::strerror(errno);
    struct stat status;
    std::string bytes;
    const bool good = fstat(held, &status) == 0 && S_ISREG(status.st_mode) &&
                      static_cast<std::uint64_t>(status.st_size) <= kMostInventory &&
                      ReadWhole(held, static_cast<std::size_t>(status.st_size), &bytes, &doing);
    close(held);
    if (!good) return inventory + " cannot be read as an image";
    return IsOfRun(bytes, dump.id) ? "" : inventory + " is not of the run " + dump.id;
  }

  static bool ReadWhole(int held, std::size_t size, std::string* bytes, Doing* doing) {
    const int fd = Reopen(held, O_RDONLY);
    if (fd < 0) return false;
    bytes->resize(size);
    std::size_t done = 0;
    while (done < size) {
      const ssize_t got = read(fd, bytes->data() + done, size - done);
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) break;
      done += static_cast<std::size_t>(got);
      doing->GoesOn();
    }
    close(fd);
    return done == size;
  }

  std::string PathOf(const std::string& name) const { return context_.options.images + "/" + name; }

  int OpenBelow(const std::string& name) const {
    const unsigned long long beneath = context_.options.images_outside ? 0 : RESOLVE_BENEATH;
    return OpenPath(folder_, name, 0, beneath | RESOLVE_NO_MAGICLINKS);
  }

  /// What the held descriptor of an image leads to: the file that is read from later.
  struct HeldDigest {
    Digest digest;
    int error = 0;
  };

  std::vector<HeldDigest> DigestsOf(const std::vector<const ImageFile*>& files) {
    std::vector<HeldDigest> found(files.size());
    std::atomic<std::size_t> next = 0;
    const auto work = [&] {
      for (std::size_t i; (i = next++) < files.size();) {
        const std::string path = PathOf(files[i]->name);
        Doing doing("checking its digest", path);
        const int fd = Reopen(context_.files.image(files[i]->name), O_RDONLY);
        const bool read = fd >= 0 && DigestOfFile(fd, &found[i].digest, [&] { doing.GoesOn(); });
        if (!read) found[i].error = errno;
        if (fd >= 0) close(fd);
      }
    };
    const std::size_t threads =
        std::min<std::size_t>(files.size(), std::thread::hardware_concurrency());
    std::vector<std::jthread> others;
    for (std::size_t i = 1; i < threads; ++i) others.emplace_back(work);
    work();
    others.clear();  // all have ended
    return found;
  }

  void TellMissing(const std::vector<std::string>& names) {
    if (names.empty()) return;
    std::string list = names[0];
    for (std::size_t i = 1; i < std::min(names.size(), kMostNames); ++i) list += ", " + names[i];
    if (names.size() > kMostNames) {
      list += " and " + std::to_string(names.size() - kMostNames) + " others";
    }
    findings_.Wrong("the folder of images \"" + context_.options.images + "\" has no " + list,
                    kWhichImages);
  }

  /// -1: it cannot be used, and that is told; one that is not there goes to `missing`. `hold`: in
  /// any case, for somebody reads it.
  std::int64_t SizeOf(const std::string& name, std::vector<std::string>* missing,
                      bool hold = false) {
    struct stat status;
    if (!hold && !context_.options.hold_images && name.find('/') == name.npos &&
        fstatat(folder_, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0 &&
        S_ISREG(status.st_mode)) {
      return status.st_size;
    }
    const std::string& folder = context_.options.images;
    const std::string path = PathOf(name);
    const Doing doing("looking at it", path);
    const auto wrong = [&](const std::string& what, const std::string& advice = "") {
      findings_.Wrong(what, advice);
      return -1;
    };
    if (folder_ < 0) {
      return wrong("the folder of images " + folder + ": " + std::strerror(folder_error_),
                   kWhichImages);
    }
    const int fd = OpenBelow(name);
    if (fd < 0 && errno == EXDEV) {
      return wrong(path + " leads out of the folder of images", "--images-outside allows it");
    }
    if (fd < 0 && errno == ENOENT) {
      missing->push_back(name);
      return -1;
    }
    if (fd < 0) return wrong(path + ": " + std::strerror(errno));
    context_.files.HoldImage(name, fd);
    if (fstat(fd, &status) != 0) return wrong(path + ": " + std::strerror(errno));
    if (!S_ISREG(status.st_mode)) return wrong(path + " is not a regular file");
    return status.st_size;
  }

  int folder_;
  int folder_error_;
  std::unordered_map<std::string, std::int64_t> sizes_;  ///< by name
};

}  // namespace

std::unique_ptr<Question> AskForImages(Context& context) {
  return std::make_unique<ImageQuestion>(context);
}

}  // namespace crgen::preflight
