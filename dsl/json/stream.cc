// SPDX-License-Identifier: Apache-2.0
#include "dsl/json/stream.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>
#include <vector>

#include "dsl/json/writer.h"

namespace crgen {
namespace {

using nlohmann::json;

/// The text as it is consumed: buffer, line, and how long the present element is.
class Cursor {
 public:
  Cursor(const ByteReader& read, std::uint64_t element_limit)
      : read_(read), element_limit_(element_limit) {
    Refill();
  }

  bool AtEnd() const { return at_ == end_ || element_bytes_ > element_limit_; }
  char Current() const { return buffer_[at_]; }
  void Advance() {
    if (buffer_[at_] == '\n') {
      ++line_;
      column_ = 0;
    }
    ++column_;
    ++element_bytes_;
    if (++at_ == end_) Refill();
  }

  std::size_t line() const { return line_; }
  std::size_t column() const { return column_; }
  /// An element of the array begins, or has ended.
  void StartElement() { element_bytes_ = 0; }
  bool TooLong() const { return element_bytes_ > element_limit_; }

 private:
  void Refill() {
    at_ = 0;
    end_ = read_(buffer_);
  }

  const ByteReader& read_;
  std::uint64_t element_limit_;
  std::uint64_t element_bytes_ = 0;
  std::array<char, 1 << 16> buffer_;
  std::size_t at_ = 0, end_ = 0;
  std::size_t line_ = 1, column_ = 0;
};

/// What the library's parser takes for a pair of iterators.
class CursorIterator {
 public:
  using iterator_category = std::input_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = char;

  CursorIterator() = default;
  explicit CursorIterator(Cursor* cursor) : cursor_(cursor) {}
  char operator*() const { return cursor_->Current(); }
  CursorIterator& operator++() {
    cursor_->Advance();
    return *this;
  }
  void operator++(int) { ++*this; }
  friend bool operator==(const CursorIterator& a, const CursorIterator& b) {
    return a.IsEnd() == b.IsEnd();
  }

 private:
  bool IsEnd() const { return cursor_ == nullptr || cursor_->AtEnd(); }
  Cursor* cursor_ = nullptr;
};

/// Builds one element at a time out of the parser's events.
class ElementBuilder : public json::json_sax_t {
 public:
  ElementBuilder(Cursor& cursor, std::string_view name, const JsonLimits& limits,
                 const std::function<void(json&, std::size_t)>& element, Diagnostics& diag)
      : cursor_(cursor), name_(name), limits_(limits), element_(element), diag_(diag) {}

  bool null() override { return Value(nullptr); }
  bool boolean(bool value) override { return Value(value); }
  bool number_integer(number_integer_t value) override { return Value(value); }
  bool number_unsigned(number_unsigned_t value) override { return Value(value); }
  bool number_float(number_float_t value, const string_t&) override {
    constexpr auto kMost = static_cast<double>(kLargestExactInteger);
    if (std::trunc(value) != value || std::abs(value) > kMost) return Value(value);
    return Value(static_cast<number_integer_t>(value));  // JSON Schema takes 1.0 for an integer
  }
  bool string(string_t& value) override { return Value(std::move(value)); }
  bool binary(binary_t&) override { return false; }

  bool start_object(std::size_t) override { return Open(json::object()); }
  bool start_array(std::size_t) override {
    if (!in_array_) {
      in_array_ = true;
      cursor_.StartElement();
      return true;
    }
    return Open(json::array());
  }
  bool key(string_t& name) override {
    if (open_.back()->contains(name)) return Fail("member \"" + name + "\" stands twice");
    key_ = std::move(name);
    return true;
  }
  bool end_object() override { return Close(); }
  bool end_array() override { return open_.empty() || Close(); }

  bool parse_error(std::size_t, const std::string&, const json::exception& error) override {
    if (cursor_.TooLong()) {
      return Fail("a command is longer than " + std::to_string(limits_.element_bytes) + " bytes");
    }
    if (cursor_.line() == 1 && cursor_.column() == 1) {
      return Fail("is no program, which is a list in JSON: `crgen DUMP` prints one");
    }
    // "[json.exception.parse_error.101] parse error at line 1, column 1: …" has the place twice.
    std::string_view text = error.what();
    const std::size_t colon = text.find("column");
    const std::size_t start = colon == text.npos ? text.npos : text.find(": ", colon);
    return Fail("column " + std::to_string(cursor_.column()) + ": " +
                std::string(start == text.npos ? text : text.substr(start + 2)));
  }

 private:
  bool Fail(const std::string& what) {
    diag_.Error(std::string(name_) + ":" + std::to_string(cursor_.line()), what);
    return false;
  }

  template <typename T>
  bool Value(T&& value) {
    if (!in_array_) return Fail("expected an array of commands");
    if (open_.empty()) {
      cursor_.StartElement();
      line_ = cursor_.line();
      element_json_ = std::forward<T>(value);
      return Done();
    }
    Put(json(std::forward<T>(value)));
    return true;
  }

  json* Put(json value) {
    json& parent = *open_.back();
    if (parent.is_array()) {
      parent.push_back(std::move(value));
      return &parent.back();
    }
    return &(parent[key_] = std::move(value));
  }

  bool Open(json container) {
    if (!in_array_) return Fail("expected an array of commands");
    if (static_cast<int>(open_.size()) >= limits_.depth) {
      return Fail("nested deeper than " + std::to_string(limits_.depth));
    }
    if (open_.empty()) {
      cursor_.StartElement();
      line_ = cursor_.line();
      element_json_ = std::move(container);
      open_.push_back(&element_json_);
    } else {
      open_.push_back(Put(std::move(container)));
    }
    return true;
  }

  bool Close() {
    open_.pop_back();
    if (open_.empty()) cursor_.StartElement();
    return !open_.empty() || Done();
  }

  bool Done() {
    if (++count_ > limits_.elements) {
      return Fail("more than " + std::to_string(limits_.elements) + " elements");
    }
    element_(element_json_, line_);
    return true;
  }

  Cursor& cursor_;
  std::string_view name_;
  const JsonLimits& limits_;
  const std::function<void(json&, std::size_t)>& element_;
  Diagnostics& diag_;
  bool in_array_ = false;
  json element_json_;
  std::vector<json*> open_;  // containers inside the array, outermost first
  std::string key_;
  std::size_t line_ = 0;
  std::uint64_t count_ = 0;
};

}  // namespace

ByteReader ReadFrom(std::string_view text) {
  return [text](std::span<char> out) mutable {
    const std::size_t count = std::min(out.size(), text.size());
    std::copy_n(text.begin(), count, out.begin());
    text.remove_prefix(count);
    return count;
  };
}

Result StreamJsonArray(const ByteReader& read, std::string_view name, const JsonLimits& limits,
                       const std::function<void(json& value, std::size_t line)>& element,
                       Diagnostics& diag) {
  Cursor cursor(read, limits.element_bytes);
  ElementBuilder builder(cursor, name, limits, element, diag);
  return json::sax_parse(CursorIterator(&cursor), CursorIterator(), &builder) ? Result::kOk
                                                                              : Result::kError;
}

}  // namespace crgen
