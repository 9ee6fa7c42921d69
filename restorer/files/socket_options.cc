#include "restorer/files/socket_options.h"

#include <linux/filter.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <vector>

namespace crgen::restorer {
namespace {

/// The calls of setsockopt(2), one after another.
class OptionCalls {
 public:
  explicit OptionCalls(Arena& arena) : arena_(arena) {}

  template <typename T>
  void Add(int name, const T& value) {
    T* copy = arena_.New<T>();
    *copy = value;
    calls_.push_back({SOL_SOCKET, name, copy, sizeof value});
  }
  void Add(int name, const std::optional<bool>& value) {
    if (value) Add(name, int{*value});
  }
  void Add(int name, const std::optional<std::uint32_t>& value) {
    if (value) Add(name, static_cast<int>(*value));
  }
  void Add(int name, const std::optional<SocketTimeout>& value) {
    if (!value) return;
    Add(name, timeval{static_cast<time_t>(value->sec), static_cast<suseconds_t>(value->usec)});
  }
  void AddText(int name, const std::string& text) {
    calls_.push_back(
        {SOL_SOCKET, name, arena_.Text(text), static_cast<std::uint32_t>(text.size() + 1)});
  }

  SocketOptionsOp Finish(Fd fd) const {
    return {fd, arena_.Copy(calls_), static_cast<std::uint32_t>(calls_.size())};
  }

 private:
  Arena& arena_;
  std::vector<SocketOptionOp> calls_;
};

void AddFilter(const std::vector<Hex>& words, Arena& arena, OptionCalls* calls) {
  if (words.empty()) return;
  std::vector<sock_filter> program;
  for (const Hex word : words) {
    program.push_back(
        {static_cast<std::uint16_t>(word.value >> 48), static_cast<std::uint8_t>(word.value >> 40),
         static_cast<std::uint8_t>(word.value >> 32), static_cast<std::uint32_t>(word.value)});
  }
  calls->Add(SO_ATTACH_FILTER, sock_fprog{static_cast<unsigned short>(program.size()),
                                          const_cast<sock_filter*>(arena.Copy(program))});
}

}  // namespace

/// Sizes are set as half of what they become; that locks them, so locks come last.
void LateRestorer<SocketOptionsSetting>::Compile(Fd fd, const SocketOptionsSetting& setting,
                                                 const File&, LateContext& context, Op& op) {
  const SocketOptions& options = setting.options;
  OptionCalls calls(context.arena);
  if (options.so_sndbuf) calls.Add(SO_SNDBUFFORCE, static_cast<int>(*options.so_sndbuf / 2));
  if (options.so_rcvbuf) calls.Add(SO_RCVBUFFORCE, static_cast<int>(*options.so_rcvbuf / 2));
  constexpr int kBufferLock = 72;  // SO_BUF_LOCK
  if (options.so_buf_lock || options.so_sndbuf || options.so_rcvbuf) {
    calls.Add(kBufferLock, static_cast<int>(options.so_buf_lock.value_or(BufferLocks{}).bits));
  }
  calls.Add(SO_SNDTIMEO, options.so_sndtimeo);
  calls.Add(SO_RCVTIMEO, options.so_rcvtimeo);
  calls.Add(SO_REUSEADDR, options.so_reuseaddr);
  calls.Add(SO_REUSEPORT, options.so_reuseport);
  calls.Add(SO_PRIORITY, options.so_priority);
  calls.Add(SO_RCVLOWAT, options.so_rcvlowat);
  calls.Add(SO_MARK, options.so_mark);
  calls.Add(SO_PASSCRED, options.so_passcred);
  calls.Add(SO_PASSSEC, options.so_passsec);
  calls.Add(SO_DONTROUTE, options.so_dontroute);
  calls.Add(SO_NO_CHECK, options.so_no_check);
  calls.Add(SO_BROADCAST, options.so_broadcast);
  calls.Add(SO_KEEPALIVE, options.so_keepalive);
  calls.Add(SO_OOBINLINE, options.so_oobinline);
  if (options.so_linger) calls.Add(SO_LINGER, linger{1, static_cast<int>(*options.so_linger)});
  if (options.so_bindtodevice) calls.AddText(SO_BINDTODEVICE, *options.so_bindtodevice);
  AddFilter(options.so_filter, context.arena, &calls);
  op.kind = OpKind::kSetOptions;
  op.options = calls.Finish(fd);
}

}  // namespace crgen::restorer
