// SPDX-License-Identifier: Apache-2.0
#include "model/tree_text.h"

#include <cstdint>
#include <utility>
#include <vector>

namespace crgen {
namespace {

class Parser {
 public:
  Parser(std::string_view text, TreeSnapshot* out, Diagnostics& diag, std::size_t line)
      : text_(text), out_(out), diag_(diag), line_(line) {}

  Result Run() {
    if (Failed(ParseProcess(-1))) return Result::kError;
    while (!open_.empty()) {
      SkipSpace();
      if (At(']')) {
        Advance();
        open_.pop_back();
      } else if (AtDigit()) {
        if (Failed(ParseProcess(open_.back()))) return Result::kError;
      } else {
        return Fail("a pid or ']'");
      }
    }
    SkipSpace();
    return position_ == text_.size() ? Result::kOk : Fail("the end of the tree");
  }

 private:
  /// pid pgid sid marks '['
  Result ParseProcess(std::int32_t parent) {
    TreeNode node;
    node.parent = ProcessIndex(parent);
    if (Failed(ParseNumber("a pid", 1, &node.pid)) ||
        Failed(ParseNumber("a pgid", 0, &node.pgid)) ||
        Failed(ParseNumber("a sid", 0, &node.sid)) || Failed(ParseMarks(&node))) {
      return Result::kError;
    }
    open_.push_back(static_cast<std::int32_t>(out_->nodes.size()));
    out_->nodes.push_back(std::move(node));
    return Result::kOk;
  }

  Result ParseMarks(TreeNode* node) {
    for (;;) {
      SkipSpace();
      if (At('[')) {
        Advance();
        return Result::kOk;
      }
      if (At('z') && !node->zombie) {
        node->zombie = true;
        Advance();
      } else if (At('r') && !node->subreaper) {
        node->subreaper = true;
        Advance();
      } else if (At('t') && node->tids.empty()) {
        Advance();
        if (Failed(ParseTids(&node->tids))) return Result::kError;
      } else {
        return Fail("'[' or a mark: 'z', 'r' or 't=', each at most once");
      }
    }
  }

  Result ParseTids(std::vector<Pid>* tids) {
    if (!At('=')) return Fail("'=' after 't'");
    do {
      Advance();
      Pid tid = 0;
      if (Failed(ParseNumber("a tid", 1, &tid))) return Result::kError;
      tids->push_back(tid);
    } while (At(','));
    return Result::kOk;
  }

  Result ParseNumber(const char* name, Pid least, Pid* out) {
    SkipSpace();
    std::string expected = std::string(name) + " (" + std::to_string(least) + " to " +
                           std::to_string(kPidLimit - 1) + ")";
    if (!AtDigit()) return Fail(expected);
    std::size_t start = position_;
    std::size_t start_column = column_;
    Pid value = 0;
    while (AtDigit() && value < kPidLimit) {
      value = value * 10 + (text_[position_] - '0');
      Advance();
    }
    if (value < least || value >= kPidLimit) {
      position_ = start;
      column_ = start_column;
      return FailAt(value < least ? "0" : "a number out of range", expected);
    }
    *out = value;
    return Result::kOk;
  }

  Result Fail(const std::string& expected) {
    std::string found = "the end of the text";
    if (position_ < text_.size()) {
      const auto c = static_cast<unsigned char>(text_[position_]);
      found = c >= ' ' && c < 0x7f ? std::string("'") + static_cast<char>(c) + "'"
                                   : "byte " + std::to_string(c);
    }
    return FailAt(found, expected);
  }

  Result FailAt(const std::string& found, const std::string& expected) {
    out_->nodes.clear();
    return diag_.Fail("line " + std::to_string(line_) + ", column " + std::to_string(column_),
                      "Parsing error: found " + found + ", expected " + expected);
  }

  bool At(char c) const { return position_ < text_.size() && text_[position_] == c; }
  bool AtDigit() const {
    return position_ < text_.size() && text_[position_] >= '0' && text_[position_] <= '9';
  }

  void Advance() {
    if (text_[position_] == '\n') {
      ++line_;
      column_ = 0;
    }
    ++position_;
    ++column_;
  }

  void SkipSpace() {
    while (At(' ') || At('\t') || At('\n') || At('\r')) Advance();
  }

  std::string_view text_;
  TreeSnapshot* out_;
  Diagnostics& diag_;
  std::size_t line_;
  std::size_t position_ = 0;
  std::size_t column_ = 1;
  std::vector<std::int32_t> open_;  ///< processes whose ']' is still to come
};

}  // namespace

Result ParseTree(std::string_view text, TreeSnapshot* out, Diagnostics& diag,
                 std::size_t first_line) {
  out->nodes.clear();
  return Parser(text, out, diag, first_line).Run();
}

}  // namespace crgen
