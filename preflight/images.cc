// Page images: regular files below the folder, long enough for what is loaded from them.
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <unordered_map>

#include "dsl/references.h"
#include "preflight/question.h"

namespace crgen::preflight {
namespace {

class ImageQuestion : public QuestionOn<ImageQuestion> {
 public:
  explicit ImageQuestion(Context& context)
      : QuestionOn(context),
        folder_(open(context.options.images.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)),
        folder_error_(folder_ < 0 ? errno : 0) {}
  ~ImageQuestion() override {
    if (folder_ >= 0) close(folder_);
  }

  template <typename Body>
  void On(const Body&) {}

  void On(const MapRegion& map) {
    if (map.events) CheckSpan({map.events->image, map.events->offset}, map.events->bytes);
  }
  void On(const OpenFile& open) {
    ForEachValueOf<ImageBytes>(*open.file, [&](const ImageBytes& data) {
      CheckSpan({data.image, data.offset}, data.bytes);
    });
    ForEachOpened(open, [&](Fd, const File& file, bool) {
      ForEachValueOf<UnlinkedContent>(
          file, [&](const UnlinkedContent& part) { CheckSpan(part.source, part.bytes); });
    });
  }
  void On(const SetAttr& set) {
    for (const Mount& mount : set.attributes->mounts) {
      if (mount.content)
        CheckSpan({mount.content->image, mount.content->offset}, mount.content->bytes);
    }
    for (const DescriptorState& late : set.attributes->descriptors) {
      if (const auto* unread = std::get_if<TtyInput>(&late.state)) {
        CheckSpan({unread->input.image, unread->input.offset}, unread->input.bytes);
      }
      const auto* sent = std::get_if<QueueSetting>(&late.state);
      if (sent == nullptr) continue;
      for (const SentMessage& message : sent->queue) CheckSpan(message.source, message.bytes);
    }
  }
  void On(const LoadPages& load) {
    CheckSpan(load.source, load.pages * kPageSize);  // the checker has bounded `pages`
  }

 private:
  void CheckSpan(const ImageSpan& span, std::uint64_t bytes) {
    const auto [known, fresh] = sizes_.try_emplace(span.image, -1);
    if (fresh) known->second = SizeOf(span.image);
    if (known->second < 0) return;  // told
    const auto size = static_cast<std::uint64_t>(known->second);
    if (span.offset <= size && bytes <= size - span.offset) return;
    const bool pages = bytes % kPageSize == 0;
    findings_.Wrong(span.image + " has " + std::to_string(size) + " bytes: not " +
                    std::to_string(pages ? bytes / kPageSize : bytes) +
                    (pages ? " pages from " : " from ") + std::to_string(span.offset));
  }

  /// -1: it cannot be used, and that is told.
  std::int64_t SizeOf(const std::string& name) {
    const std::string& folder = context_.options.images;
    const std::string path = folder + "/" + name;
    const auto wrong = [&](const std::string& what, const std::string& advice = "") {
      findings_.Wrong(what, advice);
      return -1;
    };
    if (folder_ < 0) {
      return wrong("the folder of images " + folder + ": " + std::strerror(folder_error_),
                   "--images names it");
    }
    const unsigned long long beneath = context_.options.images_outside ? 0 : RESOLVE_BENEATH;
    const int fd = OpenPath(folder_, name, 0, beneath | RESOLVE_NO_MAGICLINKS);
    if (fd < 0 && errno == EXDEV) {
      return wrong(path + " leads out of the folder of images", "--images-outside allows it");
    }
    if (fd < 0) {
      const bool none = errno == ENOENT;
      return wrong(path + ": " + std::strerror(errno), none ? "--images names the folder" : "");
    }
    context_.files.HoldImage(name, fd);
    struct stat status;
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
