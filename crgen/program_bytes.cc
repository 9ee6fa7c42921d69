// SPDX-License-Identifier: Apache-2.0
#include "crgen/program_bytes.h"

#include <cstdint>
#include <iterator>
#include <memory>
#include <type_traits>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include "dsl/attributes.h"
#include "dsl/files/files.h"
#include "dsl/value_kinds.h"

namespace crgen {
namespace {

constexpr int kBitsInByte = 7;
constexpr std::uint64_t kMore = 1 << kBitsInByte;

// Before what commands share: there is none; it follows; above these, of attributes: they are those
// that have followed so many others. Processes of one program are much alike.
constexpr std::uint64_t kNone = 0, kFollows = 1, kAsBefore = 2;

template <typename T>
constexpr bool kIsOftenAlike = std::is_same_v<T, Attributes>;

template <typename T>
bool IsPresent(const T& value) {
  if constexpr (InnerOf<T>::kIsShared) return value != nullptr;
  if constexpr (InnerOf<T>::kIsOptional) return static_cast<bool>(value);
  return true;
}

class Writer {
 public:
  /// The seven lowest bits first; a byte that others follow has the eighth.
  void Number(std::uint64_t number) {
    for (; number >= kMore; number >>= kBitsInByte) {
      out_.push_back(static_cast<char>(number % kMore + kMore));
    }
    out_.push_back(static_cast<char>(number));
  }

  template <typename T>
  void Value(const T& value) {
    if constexpr (InnerOf<T>::kIsOptional) {
      Number(IsPresent(value));
      if (IsPresent(value)) Value(*value);
    } else if constexpr (InnerOf<T>::kIsShared) {
      Shared(value);
    } else if constexpr (InnerOf<T>::kIsVector) {
      Number(value.size());
      for (const auto& one : value) Value(one);
    } else if constexpr (NamesOf<T>::kIsFlags) {
      Number(value.bits);
    } else if constexpr (std::is_enum_v<T> || std::is_integral_v<T>) {
      Number(static_cast<std::uint64_t>(value));
    } else if constexpr (std::is_same_v<T, std::string>) {
      Number(value.size());
      out_ += value;
    } else if constexpr (std::is_same_v<T, Text> || std::is_same_v<T, Bytes>) {
      Value(value.bytes);
    } else if constexpr (std::is_same_v<T, LanguageVersion> || std::is_same_v<T, Digest>) {
      Value(value.text);
    } else if constexpr (std::is_same_v<T, File>) {
      Value(value.id);
      Value(value.flags);
      Value(value.external);
      OneOf(value.body);
    } else if constexpr (std::is_same_v<T, DescriptorState>) {
      Value(value.fd);
      OneOf(value.state);
    } else if constexpr (Described<T>) {
      Fields(value);
    } else {
      Value(value.value);  // a number with a type of its own
    }
  }

  template <typename Variant>
  void OneOf(const Variant& variant) {
    Number(variant.index());
    std::visit(
        [&](const auto& one) {
          if constexpr (std::is_same_v<std::decay_t<decltype(one)>, OtherFile>) Value(one.type);
          Fields(one);
        },
        variant);
  }

  std::string Take() { return std::move(out_); }

 private:
  template <typename T>
  void Shared(const std::shared_ptr<const T>& value) {
    if (value == nullptr) return Number(kNone);
    const std::size_t start = out_.size();
    if constexpr (kIsOftenAlike<T>) {
      if (last_ != nullptr && *last_ == *value) return Number(kAsBefore + last_number_);
    }
    Number(kFollows);
    Value(*value);
    if constexpr (kIsOftenAlike<T>) {
      const auto [at, fresh] = known_.try_emplace(out_.substr(start), known_.size());
      last_ = value.get();
      last_number_ = at->second;
      if (fresh) return;
      out_.resize(start);
      Number(kAsBefore + at->second);
    }
  }

  template <typename Struct>
  void Fields(const Struct& value) {
    ForEachField<Struct>([&](const auto& field) {
      if constexpr (Inheritable<std::decay_t<decltype(field)>>) {
        Number(value.*field.inherited);
        if (value.*field.inherited) return;
      }
      Value(value.*field.member);
    });
  }

  std::string out_;
  std::unordered_map<std::string, std::uint64_t> known_;  ///< numbers, by content
  const Attributes* last_ = nullptr;
  std::uint64_t last_number_ = 0;
};

/// Fails once and for all.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : rest_(bytes) {}

  bool failed() const { return failed_; }
  bool AtEnd() const { return rest_.empty(); }

  std::uint64_t Number() {
    constexpr int kMostBits = 64;
    std::uint64_t number = 0;
    for (int shift = 0; shift < kMostBits && !rest_.empty(); shift += kBitsInByte) {
      const auto byte = static_cast<unsigned char>(rest_.front());
      rest_.remove_prefix(1);
      number |= (byte % kMore) << shift;
      if (byte < kMore) return number;
    }
    Fail();
    return 0;
  }

  template <typename T>
  void Value(T* value) {
    if (failed_) return;
    if constexpr (InnerOf<T>::kIsOptional) {
      if (Yes()) Value(&value->emplace());
    } else if constexpr (InnerOf<T>::kIsShared) {
      Shared(value);
    } else if constexpr (InnerOf<T>::kIsVector) {
      for (std::uint64_t left = Number(); left != 0 && !failed_; --left) {
        if (rest_.empty()) return Fail();
        Value(&value->emplace_back());
      }
    } else if constexpr (NamesOf<T>::kIsFlags) {
      value->bits = Number();
    } else if constexpr (std::is_same_v<T, bool>) {
      *value = Yes();
    } else if constexpr (std::is_same_v<T, SpecialRegion>) {
      const std::uint64_t number = Number();
      if (number >= std::size(kSpecialRegionNames)) return Fail();
      *value = static_cast<SpecialRegion>(number);
    } else if constexpr (std::is_integral_v<T>) {
      const std::uint64_t number = Number();
      *value = static_cast<T>(number);
      if (static_cast<std::uint64_t>(*value) != number) Fail();
    } else if constexpr (std::is_same_v<T, std::string>) {
      const std::uint64_t size = Number();
      if (size > rest_.size()) return Fail();
      *value = rest_.substr(0, size);
      rest_.remove_prefix(size);
    } else if constexpr (std::is_same_v<T, Text> || std::is_same_v<T, Bytes>) {
      Value(&value->bytes);
    } else if constexpr (std::is_same_v<T, LanguageVersion>) {
      Value(&value->text);
      if (!value->IsKnown()) Fail();
    } else if constexpr (std::is_same_v<T, Digest>) {
      Value(&value->text);
      if (!value->IsWellFormed()) Fail();
    } else if constexpr (std::is_same_v<T, File>) {
      Value(&value->id);
      Value(&value->flags);
      Value(&value->external);
      OneOf(&value->body);
    } else if constexpr (std::is_same_v<T, DescriptorState>) {
      Value(&value->fd);
      if (!IsWithin(value->fd, kFds)) Fail();
      OneOf(&value->state);
      SettleKind(value->state);
    } else if constexpr (Described<T>) {
      Fields(value);
    } else {
      Value(&value->value);
    }
  }

  template <typename Variant>
  void OneOf(Variant* variant) {
    const std::uint64_t wanted = Number();
    std::uint64_t index = 0;
    ForEachAlternative<Variant>([&]<typename One>() {
      if (index++ != wanted || failed_) return;
      One& one = variant->template emplace<One>();
      if constexpr (std::is_same_v<One, OtherFile>) Value(&one.type);
      Fields(&one);
    });
    if (wanted >= index) Fail();
  }

 private:
  void Fail() { failed_ = true; }
  bool Yes() {
    const std::uint64_t number = Number();
    if (number > 1) Fail();
    return number == 1;
  }

  template <typename T>
  void Shared(std::shared_ptr<const T>* value) {
    const std::uint64_t which = Number();
    if (which == kNone) return;
    if (which == kFollows) {
      auto inner = std::make_shared<T>();
      Value(inner.get());
      if constexpr (kIsOftenAlike<T>) known_.push_back(inner);
      *value = std::move(inner);
      return;
    }
    if constexpr (kIsOftenAlike<T>) {
      if (which - kAsBefore < known_.size()) {
        *value = known_[which - kAsBefore];
        return;
      }
    }
    Fail();
  }

  template <typename Integer>
  static bool IsWithin(Integer value, const Range& range) {
    return std::cmp_less_equal(range.least, value) && std::cmp_less_equal(value, range.most);
  }

  template <typename T>
  static bool IsWithin(const T& value, const std::optional<Range>& range) {
    if constexpr (std::is_integral_v<T> && !std::is_same_v<T, bool>) {
      return !range || IsWithin(value, *range);
    } else if constexpr (InnerOf<T>::kIsOptional) {
      return !value || IsWithin(*value, range);
    } else if constexpr (requires { value.value; }) {
      return IsWithin(value.value, range);
    }
    return true;
  }

  template <typename Struct>
  void Fields(Struct* value) {
    ForEachField<Struct>([&](const auto& field) {
      if (failed_) return;
      if constexpr (Inheritable<std::decay_t<decltype(field)>>) {
        value->*field.inherited = Yes();
        if (value->*field.inherited) return;
      }
      auto& member = value->*field.member;
      Value(&member);
      if ((field.required && !IsPresent(member)) || !IsWithin(member, field.range)) Fail();
    });
    if constexpr (requires { Describe<Struct>::kTogether; }) {
      int there = 0;
      ForEachField<Struct>([&](const auto& field) {
        const auto [one, other] = Describe<Struct>::kTogether;
        if (field.name == one || field.name == other) there += IsPresent(value->*field.member);
      });
      if (there == 1) Fail();
    }
  }

  std::string_view rest_;
  bool failed_ = false;
  std::vector<std::shared_ptr<const Attributes>> known_;
};

}  // namespace

std::string ProgramBytes(std::span<const Command> commands) {
  Writer out;
  out.Number(commands.size());
  for (const Command& command : commands) {
    out.Value(command.pid);
    out.OneOf(command.body);
  }
  return out.Take();
}

bool ReadProgramBytes(std::string_view bytes, Program* program) {
  Reader in(bytes);
  std::uint64_t count = in.Number();
  for (; count != 0 && !in.failed(); --count) {
    Command& command = program->emplace_back();
    in.Value(&command.pid);
    if (command.pid < 0 || command.pid >= kPidLimit) return false;
    in.OneOf(&command.body);
  }
  return !in.failed() && in.AtEnd();
}

}  // namespace crgen
