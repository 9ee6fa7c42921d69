// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cassert>
#include <memory>
#include <optional>
#include <utility>

namespace crgen {

/// A std::optional that takes the room of a pointer where there is no value: for what is large and
/// few have. Copies are deep.
template <typename T>
class Rare {
 public:
  Rare() = default;
  Rare(T value) : value_(std::make_unique<T>(std::move(value))) {}
  Rare(std::optional<T> value) : value_(value ? std::make_unique<T>(std::move(*value)) : nullptr) {}
  Rare(const Rare& other) : value_(other ? std::make_unique<T>(*other) : nullptr) {}
  Rare(Rare&&) noexcept = default;
  Rare& operator=(const Rare& other) {
    if (this != &other) *this = Rare(other);
    return *this;
  }
  Rare& operator=(Rare&&) noexcept = default;
  ~Rare() = default;

  bool has_value() const { return value_ != nullptr; }
  explicit operator bool() const { return has_value(); }
  T& operator*() { return *Held(); }
  const T& operator*() const { return *Held(); }
  T* operator->() { return Held(); }
  const T* operator->() const { return Held(); }

  T& emplace() { return *(value_ = std::make_unique<T>()); }
  void reset() { value_ = nullptr; }

  friend bool operator==(const Rare& a, const Rare& b) {
    return a.has_value() == b.has_value() && (!a || *a == *b);
  }

 private:
  T* Held() const {
    assert(has_value());
    return value_.get();
  }

  std::unique_ptr<T> value_;
};

/// A T that takes the room of a pointer where it is T{}.
template <typename T>
class Seldom {
 public:
  Seldom() = default;
  Seldom(T value) {
    if (value != T{}) value_ = std::move(value);
  }

  /// Whether it is another than T{}.
  explicit operator bool() const { return value_ && *value_ != T{}; }
  T& operator*() { return value_ ? *value_ : value_.emplace(); }
  T* operator->() { return &**this; }
  const T& operator*() const {
    static const T kUsual{};
    return value_ ? *value_ : kUsual;
  }
  const T* operator->() const { return &**this; }
  T& emplace() { return value_.emplace(); }

  friend bool operator==(const Seldom& a, const Seldom& b) { return *a == *b; }

 private:
  Rare<T> value_;
};

}  // namespace crgen
