// SPDX-License-Identifier: Apache-2.0
#include "dsl/reference.h"

#include <map>
#include <string>
#include <type_traits>

#include "dsl/attributes.h"
#include "dsl/commands.h"
#include "dsl/files/files.h"
#include "dsl/value_kinds.h"

namespace crgen {
namespace {

template <typename T>
std::string KindName() {
  if constexpr (InnerOf<T>::kIsOptional || InnerOf<T>::kIsShared) {
    return KindName<typename InnerOf<T>::Type>();
  } else if constexpr (InnerOf<T>::kIsVector) {
    return "array of " + KindName<typename InnerOf<T>::Type>();
  } else if constexpr (NamesOf<T>::kIsFlags) {
    return "array of names";
  } else if constexpr (NamesOf<T>::kIsNamed || std::is_same_v<T, SpecialRegion>) {
    return "name";
  } else if constexpr (std::is_same_v<T, bool>) {
    return "boolean";
  } else if constexpr (std::is_integral_v<T> || std::is_same_v<T, PidReference> || kIsObjectId<T>) {
    return "integer";
  } else if constexpr (std::is_same_v<T, Hex>) {
    return "\"0x…\"";
  } else if constexpr (std::is_same_v<T, Bytes>) {
    return "base64 string";
  } else if constexpr (std::is_same_v<T, std::string> || std::is_same_v<T, Text> ||
                       std::is_same_v<T, LanguageVersion> || std::is_same_v<T, Digest>) {
    return "string";
  } else {
    return "object";
  }
}

template <typename Struct>
void Fields(ReferenceWriter& out) {
  std::vector<FieldRow> rows;
  ForEachField<Struct>([&](const auto& field) {
    using Member = std::decay_t<decltype(std::declval<Struct>().*field.member)>;
    constexpr bool kMayInherit = Inheritable<std::decay_t<decltype(field)>>;
    rows.push_back({field.name, KindName<Member>() + (kMayInherit ? ", or \"inherit\"" : ""),
                    field.required, field.note});
  });
  out.Fields(rows);
}

template <typename Struct>
void Object(std::string_view title, ReferenceWriter& out) {
  out.Subsection(title);
  Fields<Struct>(out);
}

/// Its address tells types apart.
template <typename T>
constexpr char kTypeMark = 0;

/// Where the members of which type are told: once.
using Told = std::map<const void*, std::string>;

/// The described objects that are members of Struct, and those in them, each with a table of its
/// own. `owner`: of what they are parts, if it is not clear.
template <typename Struct>
void InnerObjects(const std::string& owner, Told* told, ReferenceWriter& out) {
  ForEachField<Struct>([&](const auto& field) {
    using Member = std::decay_t<decltype(std::declval<Struct>().*field.member)>;
    const auto section = [&]<typename Inner>() {
      if constexpr (Described<Inner>) {
        const std::string name = "`" + std::string(field.name) + "`";
        const std::string title = (owner.empty() ? "" : "in ") + name;
        const auto [at, fresh] =
            told->try_emplace(&kTypeMark<Inner>, owner.empty() ? name : name + " of " + owner);
        if (!fresh) {
          out.Subsection(title);
          out.Text("Its members are those of " + at->second + ".");
          return;
        }
        Object<Inner>(title, out);
        InnerObjects<Inner>(owner, told, out);
      }
    };
    if constexpr (InnerOf<Member>::kIsOptional || InnerOf<Member>::kIsVector) {
      section.template operator()<typename InnerOf<Member>::Type>();
    } else {
      section.template operator()<Member>();
    }
  });
}

void Files(Told* told, ReferenceWriter& out) {
  out.Section("Files");
  out.Text(
      "Every `file` has `type`, `id` and, unless its type is known by name alone, `flags` (" +
      std::string(kFileFlagsNote) +
      "), and may have `external`: the key of what the caller of a restore hands over instead.");
  ForEachAlternative<FileBody>([&]<typename Body>() {
    if constexpr (kHasFlags<Body>) {
      const std::string type = "`" + std::string(Body::kType) + "`";
      Object<Body>(type, out);
      InnerObjects<Body>(type, told, out);
    }
  });
}

/// The objects that are members of `descriptors`, with the objects in them.
void LateStates(Told* told, ReferenceWriter& out) {
  out.Section("Late state");
  out.Text(
      "An object of the attribute `descriptors` has `fd`, a descriptor of the process, and the "
      "members of one of these, known by the first.");
  ForEachLateKey([&]<typename Late>() {
    const std::string key = "`" + std::string(LateKey<Late>()) + "`";
    Object<Late>(key, out);
    InnerObjects<Late>(key, told, out);
  });
}

template <typename Function>
void Parts(Function&& each) {
  each.template operator()<About>("`about`");
  each.template operator()<LeftOut>("`left_out`, `not_restorable`");
  each.template operator()<External>("`external`");
  each.template operator()<DumpIdentity>("`dump`");
  each.template operator()<ImageFile>("`images`");
  each.template operator()<CpuNeeds>("`cpu`");
  each.template operator()<Vdso>("`vdso`");
  each.template operator()<VdsoSymbol>("`symbols`");
  each.template operator()<ExitStatus>("`status`");
  each.template operator()<IdRange>("a range of `uid_map` and `gid_map`");
  each.template operator()<PidNamespace>("`pid_namespace`");
  each.template operator()<ShmemView>("`shmem`");
  each.template operator()<ImageSpan>("`source`");
  each.template operator()<PeerEnd>("`peer`");
  each.template operator()<FilePermissions>("`permissions`");
  each.template operator()<SocketTimeout>("`so_sndtimeo`, `so_rcvtimeo`");
}

class MarkdownReference final : public ReferenceWriter {
 public:
  void Section(std::string_view title) override { text_ += "## " + std::string(title) + "\n\n"; }
  void Subsection(std::string_view title) override {
    text_ += "### " + std::string(title) + "\n\n";
  }
  void Text(std::string_view text) override { text_ += std::string(text) + "\n\n"; }
  void Fields(const std::vector<FieldRow>& rows) override {
    if (rows.empty()) return;
    text_ += "| field | value | required | |\n|---|---|---|---|\n";
    for (const FieldRow& row : rows) {
      text_ += "| `" + std::string(row.name) + "` | " + row.kind + " | " +
               (row.required ? "yes" : "no") + " | " + std::string(row.note) + " |\n";
    }
    text_ += "\n";
  }
  /// Without the empty line at the end.
  std::string Take() {
    text_.pop_back();
    return std::move(text_);
  }

 private:
  std::string text_;
};

}  // namespace

void WriteReference(ReferenceWriter& out) {
  ForEachAlternative<CommandBody>([&]<typename Body>() {
    out.Section(Body::kName);
    out.Text(Body::kMeaning);
    Fields<Body>(out);
  });
  Told told;
  Parts([&]<typename Part>(const char* title) {
    told.emplace(&kTypeMark<Part>, std::string(title) + ", a part of commands");
  });
  Files(&told, out);
  LateStates(&told, out);
  out.Section("Parts of commands");
  Parts([&]<typename Part>(const char* title) { Object<Part>(title, out); });
  out.Section("Attributes");
  Fields<Attributes>(out);
  InnerObjects<Attributes>("", &told, out);
}

std::string CommandReference() {
  MarkdownReference reference;
  WriteReference(reference);
  return "# The 16 commands\n\n"
         "Generated from the tables in `dsl/`; `restore-program.schema.json` says the\n"
         "same to machines. Every command also has `command`, its name, and `pid`, the process "
         "that\n"
         "executes it (0: the restorer). Integers above 2^53-1 are written \"0x…\". A string "
         "member\n"
         "`x` whose bytes are not UTF-8 stands as `x_base64`. Flags without a name are one more\n"
         "\"0x…\" in the array, any other name may be its number, \"0x…\".\n\n" +
         reference.Take();
}

}  // namespace crgen
