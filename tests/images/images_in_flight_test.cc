// SPDX-License-Identifier: Apache-2.0
// The dumps of errors/*.txt once more, judged to the end: each is in error, refused, or gives a
// program that ends in it. Then with all of its descriptors in flight: in a message that a unix
// socket has not received, held by nobody.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include "images/proto/unix_socket.pb.h"
#include "tests/support/dump_edit.h"
#include "tests/support/dump_judge.h"

namespace crgen {
namespace {

using namespace test;  // NOLINT: the vocabulary of these tests

const std::filesystem::path kFolder = CRGEN_SOURCE "/tests/images/errors";

std::vector<std::string> Subjects() {
  std::vector<std::string> subjects;
  for (const auto& entry : std::filesystem::directory_iterator(kFolder)) {
    if (entry.path().extension() == ".txt") subjects.push_back(entry.path().stem());
  }
  std::sort(subjects.begin(), subjects.end());
  return subjects;
}

DumpVerdict Judge(const Dump& dump) {
  return JudgeDump(*OpenMemory(dump.Build()), GenerateOptions{});
}

/// Takes the descriptors of process 10 away, but for its first; their files.
std::vector<std::uint32_t> TakeDescriptors(Dump& dump) {
  std::vector<std::uint32_t> files;
  std::erase_if(dump.tables[10], [&](const pb::fdinfo_entry& entry) {
    if (entry.fd() != 0) files.push_back(entry.id());
    return entry.fd() != 0;
  });
  return files;
}

/// A socket that has not received `files`.
void Send(Dump& dump, const std::vector<std::uint32_t>& files) {
  constexpr std::uint32_t kSocket = 900;
  pb::unix_sk_entry& socket = *dump.AddOther(kSocket, pb::FD_UNIXSK).mutable_usk();
  socket.set_id(kSocket);
  socket.set_ino(kSocket);
  socket.set_type(SOCK_DGRAM);
  socket.set_state(7);  // TCP_CLOSE: connected to nobody
  socket.set_flags(O_RDWR);
  socket.mutable_opts()->set_so_sndbuf(212992);
  socket.mutable_opts()->set_so_rcvbuf(212992);
  dump.AddDescriptor(10, 700, kSocket, pb::FD_UNIXSK);
  pb::sk_packet_entry message;
  message.set_id_for(kSocket);
  message.set_length(1);
  pb::scm_entry& rights = *message.add_scm();
  rights.set_type(SCM_RIGHTS);
  for (const std::uint32_t file : files) rights.add_rights(file);
  dump.edits.push_back(Put("sk-queues.img", ImageOf("SK_QUEUES", message) + "x"));
}

class InFlight : public ::testing::TestWithParam<std::string> {};

TEST_P(InFlight, CasesAreRefusedOrPlanned) {
  for (const DumpCase& one : ReadDumpCases(kFolder / (GetParam() + ".txt"))) {
    SCOPED_TRACE(one.name);
    Dump dump;
    one.change(dump);
    EXPECT_EQ(Judge(dump).complaint, "");
  }
}

TEST_P(InFlight, SoTheyAreWithAllOfItOnItsWay) {
  std::size_t planned = 0;
  for (const DumpCase& one : ReadDumpCases(kFolder / (GetParam() + ".txt"))) {
    SCOPED_TRACE(one.name);
    Dump dump;
    one.change(dump);
    const std::vector<std::uint32_t> files = TakeDescriptors(dump);
    if (files.empty()) continue;
    Send(dump, files);
    const DumpVerdict verdict = Judge(dump);
    EXPECT_EQ(verdict.complaint, "");
    planned += verdict.fate == DumpFate::kProgram;
  }
  std::printf("%zu planned\n", planned);
  for (const char* with_good_ones :
       {"epoll", "memfds", "pipes", "terminals", "watches", "pidfds"}) {
    if (GetParam() == with_good_ones) {
      EXPECT_GT(planned, 0u);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Subject, InFlight, ::testing::ValuesIn(Subjects()),
                         [](const auto& subject) { return subject.param; });

}  // namespace
}  // namespace crgen
