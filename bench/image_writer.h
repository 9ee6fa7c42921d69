// SPDX-License-Identifier: Apache-2.0
// Images as CRIU writes them.
#pragma once

#include <fcntl.h>
#include <google/protobuf/message.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>

#include "images/image_table.h"

namespace crgen {

[[noreturn]] inline void Fail(const std::string& what) {
  std::fprintf(stderr, "make_dump: %s\n", what.c_str());
  std::exit(1);
}

inline std::string FileName(const ImageKind& kind, std::uint64_t number) {
  std::string name(kind.pattern);
  if (auto hole = name.find('#'); hole != name.npos) name.replace(hole, 1, std::to_string(number));
  return name;
}

inline void Append(std::string* out, std::uint32_t word) {
  out->append(reinterpret_cast<const char*>(&word), sizeof word);
}

/// `size`: of the file; what `bytes` do not fill is a hole.
inline void WriteFile(const std::string& path, const std::string& bytes, std::uint64_t size) {
  const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0666);
  if (fd < 0) Fail(path + ": " + std::strerror(errno));
  for (std::size_t done = 0; done < bytes.size();) {
    const ssize_t written = write(fd, bytes.data() + done, bytes.size() - done);
    if (written < 0) Fail(path + ": " + std::strerror(errno));
    done += static_cast<std::size_t>(written);
  }
  if (bytes.size() < size && ftruncate(fd, static_cast<off_t>(size)) != 0) {
    Fail(path + ": " + std::strerror(errno));
  }
  close(fd);
}

/// One image, written when it goes out of scope.
class Image {
 public:
  Image(const std::string& folder, std::string_view kind_name, std::uint64_t number) {
    const ImageKind& kind = ImageKindNamed(kind_name);
    path_ = folder + "/" + FileName(kind, number);
    if (kind_name != "INVENTORY") Append(&bytes_, kCommonMagic);
    Append(&bytes_, kind.magic);
  }
  ~Image() { WriteFile(path_, bytes_, bytes_.size()); }

  void Add(const google::protobuf::Message& message) {
    Append(&bytes_, static_cast<std::uint32_t>(message.ByteSizeLong()));
    message.AppendToString(&bytes_);
  }
  /// What follows an entry.
  void Add(std::string_view bytes) { bytes_ += bytes; }

 private:
  std::string path_;
  std::string bytes_;
};

/// Gives all required fields that are not set their default.
inline void FillRequired(google::protobuf::Message* message) {
  const auto& fields = *message->GetDescriptor();
  const auto& reflection = *message->GetReflection();
  for (int i = 0; i < fields.field_count(); ++i) {
    const google::protobuf::FieldDescriptor* field = fields.field(i);
    if (!field->is_required()) continue;
    using Type = google::protobuf::FieldDescriptor;
    if (field->cpp_type() == Type::CPPTYPE_MESSAGE) {
      FillRequired(reflection.MutableMessage(message, field));
    } else if (reflection.HasField(*message, field)) {
      continue;
    } else if (field->cpp_type() == Type::CPPTYPE_UINT32) {
      reflection.SetUInt32(message, field, 0);
    } else if (field->cpp_type() == Type::CPPTYPE_UINT64) {
      reflection.SetUInt64(message, field, 0);
    } else if (field->cpp_type() == Type::CPPTYPE_STRING) {
      reflection.SetString(message, field, "");
    } else {
      Fail(field->full_name() + ": no default for it");
    }
  }
}

}  // namespace crgen
