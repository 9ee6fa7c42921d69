// Everything that the loader refuses or warns of: what is changed in a good dump, and what is said
// of it, with its place.
#include <gtest/gtest.h>

#include "tests/support/image_builder.h"

namespace crgen {
namespace {

using namespace test;  // NOLINT: the vocabulary of these tests

TEST(ImageErrors, NothingIsWrongWithTheDumpThatTheyStartFrom) {
  RunCases({{"as it is", [](Dump&) {}, {}},
            {"with all that can be added",
             [](Dump& d) {
               d.AddProcess(11, 10);
               d.AddThread(10, 12);
               d.AddZombie(13, 11);
               d.seccomp.emplace();
             },
             {}}});
}

TEST(ImageErrors, Framing) {
  RunCases({
      {"cut in the head magic",
       [](Dump& d) { d.edits = {CutTo("pstree.img", 3)}; },
       {"error pstree.img @0x0: head magic wants 4 bytes, 3 are left"}},
      {"empty file",
       [](Dump& d) { d.edits = {CutTo("mm-10.img", 0)}; },
       {"error mm-10.img @0x0: head magic wants 4 bytes, 0 are left",
        "warning pagemap-10.img: nothing in this dump refers to it",
        "warning pages-10.img: nothing in this dump refers to it"}},
      {"wrong head magic",
       [](Dump& d) { d.edits = {Word("pstree.img", 0, 0x55105940)}; },
       {"error pstree.img @0x0: head magic is 0x55105940, expected 0x54564319"}},
      {"cut in the magic",
       [](Dump& d) { d.edits = {CutTo("pstree.img", 6)}; },
       {"error pstree.img @0x4: magic wants 4 bytes, 2 are left"}},
      {"wrong magic",
       [](Dump& d) { d.edits = {Word("pstree.img", 4, 0x55053847)}; },
       {"error pstree.img @0x4: magic is 0x55053847, expected 0x50273030 (PSTREE)"}},
      {"the inventory has one magic",
       [](Dump& d) { d.edits = {Word("inventory.img", 0, 1)}; },
       {"error inventory.img @0x0: magic is 0x1, expected 0x58313116 (INVENTORY)"}},
      {"cut in a length",
       [](Dump& d) { d.edits = {CutTo("pstree.img", 11)}; },
       {"error pstree.img @0x8: length of entry 0 wants 4 bytes, 3 are left"}},
      {"cut in an entry",
       [](Dump& d) { d.edits = {CutTo("pstree.img", 14)}; },
       {"error pstree.img @0x8: entry 0 wants 10 bytes, 2 are left"}},
      {"a length beyond all",
       [](Dump& d) { d.edits = {Word("pstree.img", 8, 0xffffffff)}; },
       {"error pstree.img @0x8: entry 0 wants 4294967295 bytes, 10 are left"}},
      {"cut in the second entry",
       [](Dump& d) { d.edits = {CutBy("files.img", 1)}; },
       {"error files.img @0x51: entry 2 wants 35 bytes, 34 are left",
        "error fdinfo-10.img[0].id: no file 3 in files.img (fd 0 of pid 10)"}},
      {"bytes behind the last entry",
       [](Dump& d) { d.edits = {Append("files.img", "ab")}; },
       {"error files.img @0x78: length of entry 3 wants 4 bytes, 2 are left"}},
      {"not a message",
       [](Dump& d) { d.edits = {Put("pstree.img", MagicsOf("PSTREE") + Entry("\x08"))}; },
       {"error pstree.img[0]: is not a valid pstree_entry"}},
      {"an entry without bytes lacks what is required",
       [](Dump& d) { d.edits = {Append("pstree.img", Entry(""))}; },
       {"error pstree.img[1]: pstree_entry lacks required pid, ppid, pgid, sid"}},
      {"a required field of a message inside",
       [](Dump& d) {
         pb::mm_entry mm;
         FillRequired(&mm);
         mm.add_vmas()->set_start(1);
         d.edits = {Put("mm-10.img", MagicsOf("MM") + Entry(mm.SerializePartialAsString()))};
       },
       {"error mm-10.img[0]: mm_entry lacks required vmas[0].end, vmas[0].pgoff, vmas[0].shmid, "
        "vmas[0].prot, vmas[0].flags, vmas[0].status, vmas[0].fd",
        "warning pagemap-10.img: nothing in this dump refers to it",
        "warning pages-10.img: nothing in this dump refers to it"}},
      {"no entry where there is one",
       [](Dump& d) { d.edits = {Put("fs-10.img", MagicsOf("FS"))}; },
       {"error fs-10.img: has no entry"}},
      {"two entries where there is one",
       [](Dump& d) { d.edits = {Append("fs-10.img", Entry(""))}; },
       {"error fs-10.img[0]: more follows, expected one entry"}},
      {"no entry in pstree",
       [](Dump& d) { d.edits = {Put("pstree.img", MagicsOf("PSTREE"))}; },
       {"error pstree.img: has no entry, expected the root"}},
      {"no head in a pagemap",
       [](Dump& d) { d.edits = {Put("pagemap-10.img", MagicsOf("PAGEMAP"))}; },
       {"error pagemap-10.img: has no entry, expected pagemap_head",
        "warning pages-10.img: nothing in this dump refers to it"}},
  });
}

TEST(ImageErrors, AfterAnEntryThatCannotBeReadTheOthersAreRead) {
  RunCases({
      {"files",
       [](Dump& d) {
         d.edits = {[](Files& files) {
           files["files.img"].insert(8, Entry("\x08"));
           files["files.img"] += Entry("\x08");
         }};
       },
       {"error files.img[0]: is not a valid file_entry",
        "error files.img[4]: is not a valid file_entry"}},
      {"descriptors",
       [](Dump& d) { d.edits = {Append("fdinfo-10.img", Entry("\x08") + Entry(""))}; },
       {"error fdinfo-10.img[1]: is not a valid fdinfo_entry",
        "error fdinfo-10.img[2]: fdinfo_entry lacks required id, flags, type, fd"}},
      {"all problems of a dump in one run",
       [](Dump& d) {
         d.AddProcess(11, 10);
         d.edits = {Drop("fs-10.img"), Drop("mm-11.img"), CutTo("fdinfo-11.img", 7)};
       },
       {"error fs-10.img: is missing", "error fdinfo-11.img @0x4: magic wants 4 bytes, 3 are left",
        "error mm-11.img: is missing", "warning pagemap-11.img: nothing in this dump refers to it",
        "warning pages-11.img: nothing in this dump refers to it"}},
  });
}

TEST(ImageErrors, MissingImages) {
  RunCases({
      {"inventory",
       [](Dump& d) { d.edits = {Drop("inventory.img")}; },
       {"error inventory.img: is missing: the dump was cut short, or this is no dump"}},
      {"pstree", [](Dump& d) { d.edits = {Drop("pstree.img")}; }, {"error pstree.img: is missing"}},
      {"core",
       [](Dump& d) { d.edits = {Drop("core-10.img")}; },
       {"error core-10.img: is missing", "warning ids-10.img: nothing in this dump refers to it",
        "warning mm-10.img: nothing in this dump refers to it",
        "warning fs-10.img: nothing in this dump refers to it",
        "warning pagemap-10.img: nothing in this dump refers to it",
        "warning pages-10.img: nothing in this dump refers to it",
        "warning fdinfo-10.img: nothing in this dump refers to it"}},
      {"core of a thread",
       [](Dump& d) {
         d.AddThread(10, 12);
         d.edits = {Drop("core-12.img")};
       },
       {"error core-12.img: is missing"}},
      {"core of a zombie",
       [](Dump& d) {
         d.AddZombie(12, 10);
         d.edits = {Drop("core-12.img")};
       },
       {"error core-12.img: is missing"}},
      {"ids",
       [](Dump& d) { d.edits = {Drop("ids-10.img")}; },
       {"error ids-10.img: is missing",
        "warning fdinfo-10.img: nothing in this dump refers to it"}},
      {"mm",
       [](Dump& d) { d.edits = {Drop("mm-10.img")}; },
       {"error mm-10.img: is missing", "warning pagemap-10.img: nothing in this dump refers to it",
        "warning pages-10.img: nothing in this dump refers to it"}},
      {"fs", [](Dump& d) { d.edits = {Drop("fs-10.img")}; }, {"error fs-10.img: is missing"}},
      {"pagemap",
       [](Dump& d) { d.edits = {Drop("pagemap-10.img")}; },
       {"error pagemap-10.img: is missing",
        "warning pages-10.img: nothing in this dump refers to it"}},
      {"pages",
       [](Dump& d) { d.edits = {Drop("pages-10.img")}; },
       {"error pages-10.img: is missing, pagemap-10.img wants 2 pages of it"}},
      {"files",
       [](Dump& d) { d.edits = {Drop("files.img")}; },
       {"error fdinfo-10.img[0].id: no file 3 in files.img (fd 0 of pid 10)",
        "error mm-10.img[0].exe_file_id: no file 1 in files.img",
        "error fs-10.img[0].cwd_id: no file 2 in files.img",
        "error fs-10.img[0].root_id: no file 2 in files.img"}},
      {"an empty table has no fdinfo", [](Dump& d) { d.tables.clear(); }, {}},
      {"a zombie has no other image", [](Dump& d) { d.AddZombie(12, 10); }, {}},
  });
}

TEST(ImageErrors, Inventory) {
  RunCases({
      {"a pre-dump",
       [](Dump& d) { d.inventory.set_img_version(0); },
       {"error inventory.img[0].img_version: 0: a pre-dump, which can only be the parent of a "
        "dump"}},
      {"the old format",
       [](Dump& d) { d.inventory.set_img_version(1); },
       {"error inventory.img[0].img_version: 1, expected 2"}},
      {"a format of the future",
       [](Dump& d) { d.inventory.set_img_version(3); },
       {"error inventory.img[0].img_version: 3, expected 2"}},
      {"tables by pid",
       [](Dump& d) { d.inventory.clear_fdinfo_per_id(); },
       {"error inventory.img[0].fdinfo_per_id: not set: descriptor tables by pid are from before "
        "CRIU 3.17"}},
      {"tables not by id",
       [](Dump& d) { d.inventory.set_fdinfo_per_id(false); },
       {"error inventory.img[0].fdinfo_per_id: not set: descriptor tables by pid are from before "
        "CRIU 3.17"}},
  });
}

TEST(ImageErrors, Tree) {
  const std::string no_pid = " is no pid number, expected 1 to 4194303";
  RunCases({
      {"pid 0", [](Dump& d) { d.tree[0].set_pid(0); }, {"error pstree.img[0].pid: 0" + no_pid}},
      {"pid above all",
       [](Dump& d) { d.tree[0].set_pid(4194304); },
       {"error pstree.img[0].pid: 4194304" + no_pid}},
      {"negative numbers",
       [](Dump& d) {
         d.tree[0].set_pid(-1);
         d.tree[0].set_pgid(-1);
         d.tree[0].set_sid(-1);
       },
       {"error pstree.img[0].pid: 4294967295" + no_pid,
        "error pstree.img[0].pgid: 4294967295 is no pid number, expected 0 to 4194303",
        "error pstree.img[0].sid: 4294967295 is no pid number, expected 0 to 4194303"}},
      {"the root has a parent",
       [](Dump& d) { d.tree[0].set_ppid(1); },
       {"error pstree.img[0].ppid: the root has parent 1, expected 0"}},
      {"a second root",
       [](Dump& d) { d.AddProcess(11, 0); },
       {"error pstree.img[1].ppid: parent 0 of pid 11 is not among the entries before"}},
      {"its own parent",
       [](Dump& d) { d.AddProcess(11, 11); },
       {"error pstree.img[1].ppid: parent 11 of pid 11 is not among the entries before"}},
      {"a parent that follows",
       [](Dump& d) {
         d.AddProcess(11, 12);
         d.AddProcess(12, 10);
       },
       {"error pstree.img[1].ppid: parent 12 of pid 11 is not among the entries before"}},
      {"a pid twice",
       [](Dump& d) { d.AddProcess(10, 10); },
       {"error pstree.img[1].pid: pid 10 stands twice"}},
      {"no threads",
       [](Dump& d) { d.tree[0].clear_threads(); },
       {"error pstree.img[0].threads: does not begin with the leader, pid 10"}},
      {"the leader is not the first",
       [](Dump& d) {
         d.AddThread(10, 12);
         d.tree[0].mutable_threads()->SwapElements(0, 1);
       },
       {"error pstree.img[0].threads: does not begin with the leader, pid 10",
        "warning core-12.img: nothing in this dump refers to it"}},
      {"tid 0",
       [](Dump& d) { d.tree[0].add_threads(0); },
       {"error pstree.img[0].threads: 0 is no tid", "error core-0.img: is missing"}},
      {"tid above all",
       [](Dump& d) { d.tree[0].add_threads(4194304); },
       {"error pstree.img[0].threads: 4194304 is no tid", "error core-4194304.img: is missing"}},
      {"a tid that is a pid",
       [](Dump& d) {
         d.AddProcess(11, 10);
         d.tree[0].add_threads(11);
       },
       {"error pstree.img[0].threads: tid 11 stands twice",
        "error core-11.img[0].tc: present, but 11 is a thread of pid 10"}},
      {"a tid of two processes",
       [](Dump& d) {
         d.AddProcess(11, 10);
         d.AddThread(10, 12);
         d.tree[1].add_threads(12);
       },
       {"error pstree.img[1].threads: tid 12 stands twice"}},
      {"a child of a zombie",
       [](Dump& d) {
         d.AddZombie(11, 10);
         d.AddProcess(12, 11);
       },
       {"error pstree.img[2].ppid: parent 11 is a zombie, which has no children"}},
  });
}

TEST(ImageErrors, Core) {
  RunCases({
      {"another machine",
       [](Dump& d) { d.cores[10].set_mtype(3); },
       {"unsupported core-10.img[0].mtype: machine AARCH64; only X86_64 is planned",
        "warning ids-10.img: nothing in this dump refers to it",
        "warning mm-10.img: nothing in this dump refers to it",
        "warning fs-10.img: nothing in this dump refers to it",
        "warning pagemap-10.img: nothing in this dump refers to it",
        "warning pages-10.img: nothing in this dump refers to it",
        "warning fdinfo-10.img: nothing in this dump refers to it"}},
      {"an unknown machine",
       [](Dump& d) {
         d.AddThread(10, 12);
         d.cores[12].set_mtype(77);
       },
       {"unsupported core-12.img[0].mtype: machine 77; only X86_64 is planned"}},
      {"a state between",
       [](Dump& d) { d.cores[10].mutable_tc()->set_task_state(4); },
       {"error core-10.img[0].tc.task_state: 4, expected 1 (alive), 2 (dead) or 3 (stopped)"}},
      {"a signal that does not stop",
       [](Dump& d) {
         d.cores[10].mutable_tc()->set_task_state(3);
         d.cores[10].mutable_tc()->set_stop_signo(18);
       },
       {"error core-10.img[0].tc.stop_signo: 18, expected 19 to 22, which stop a process"}},
      {"no thread_core",
       [](Dump& d) { d.cores[10].clear_thread_core(); },
       {"error core-10.img[0]: core_entry lacks thread_core"}},
      {"no thread_info",
       [](Dump& d) { d.cores[10].clear_thread_info(); },
       {"error core-10.img[0]: core_entry lacks thread_info"}},
      {"no thread_info in a thread",
       [](Dump& d) {
         d.AddThread(10, 12);
         d.cores[12].clear_thread_info();
       },
       {"error core-12.img[0]: core_entry lacks thread_info"}},
      {"a thread with the part of a process",
       [](Dump& d) {
         d.AddThread(10, 12);
         d.cores[12].mutable_tc();
       },
       {"error core-12.img[0].tc: present, but 12 is a thread of pid 10"}},
      {"61 signal actions",
       [](Dump& d) { d.cores[10].mutable_tc()->mutable_sigactions()->RemoveLast(); },
       {"error core-10.img[0].tc.sigactions: 61 entries, expected 62: signals 1 to 64 without 9 "
        "and 19"}},
      {"64 signal actions",
       [](Dump& d) {
         d.cores[10].mutable_tc()->add_sigactions();
         d.cores[10].mutable_tc()->add_sigactions();
       },
       {"error core-10.img[0].tc.sigactions: 64 entries, expected 62: signals 1 to 64 without 9 "
        "and 19"}},
      {"17 resource limits",
       [](Dump& d) {
         pb::rlimit_entry limit;
         limit.set_cur(1);
         limit.set_max(1);
         auto* rlimits = d.cores[10].mutable_tc()->mutable_rlimits()->mutable_rlimits();
         *rlimits->Add() = limit;
       },
       {"error core-10.img[0].tc.rlimits: 17 entries, expected 16: without a limit the process "
        "would keep the restorer's"}},
      {"a long auxiliary vector",
       [](Dump& d) { d.mms[10].mutable_mm_saved_auxv()->Resize(257, 1); },
       {"error mm-10.img[0].mm_saved_auxv: 257 words, expected at most 256"}},
      {"a short siginfo for the process",
       [](Dump& d) {
         pb::signal_queue_entry& queue = *d.cores[10].mutable_tc()->mutable_signals_s();
         queue.add_signals()->set_siginfo(std::string("\x0a") + std::string(127, '\0'));
         queue.add_signals()->set_siginfo("\x0a");
       },
       {"error core-10.img[0].tc.signals_s[1].siginfo: 1 bytes with signal 0, expected 128 bytes "
        "with a signal 1 to 64"}},
      {"signal 65 for the leader",
       [](Dump& d) {
         d.cores[10].mutable_thread_core()->mutable_signals_p()->add_signals()->set_siginfo(
             std::string("\x41") + std::string(127, '\0'));
       },
       {"error core-10.img[0].thread_core.signals_p[0].siginfo: 128 bytes with signal 65, "
        "expected 128 bytes with a signal 1 to 64"}},
      {"signal 0 for a thread",
       [](Dump& d) {
         d.AddThread(10, 12);
         d.cores[12].mutable_thread_core()->mutable_signals_p()->add_signals()->set_siginfo(
             std::string(128, '\0'));
       },
       {"error core-12.img[0].thread_core.signals_p[0].siginfo: 128 bytes with signal 0, "
        "expected 128 bytes with a signal 1 to 64"}},
      {"AppArmor",
       [](Dump& d) { d.cores[10].mutable_thread_core()->mutable_creds()->set_apparmor_data("x"); },
       {"unsupported core-10.img[0].thread_core.creds.apparmor_data: an AppArmor label stack"}},
      {"a 32-bit task",
       [](Dump& d) { d.cores[10].mutable_thread_info()->mutable_gpregs()->set_mode(2); },
       {"unsupported core-10.img[0].thread_info.gpregs.mode: a 32-bit task"}},
      {"a shadow stack",
       [](Dump& d) {
         d.AddThread(10, 12);
         d.cores[12]
             .mutable_thread_info()
             ->mutable_fpregs()
             ->mutable_xsave()
             ->mutable_cet()
             ->set_cet(1);
       },
       {"unsupported core-12.img[0].thread_info.fpregs.xsave.cet: a shadow stack"}},
  });
}

TEST(ImageErrors, ExitStatus) {
  auto zombie = [](std::uint32_t status) { return [=](Dump& d) { d.AddZombie(11, 10, status); }; };
  const std::string place = "error core-11.img[0].tc.exit_code: ";
  RunCases({
      {"exit code", zombie(0xff00), {}},
      {"signal", zombie(9), {}},
      {"signal and a core", zombie(0x80 | 11), {}},
      {"signal 64", zombie(64), {}},
      {"a core of a signal that leaves none", zombie(0x80 | 9), {place + "0x89 is no wait status"}},
      {"signal 65", zombie(65), {place + "0x41 is no wait status"}},
      {"stopped", zombie(0x137f), {place + "0x137f is no wait status"}},
      {"continued", zombie(0xffff), {place + "0xffff is no wait status"}},
      {"more than 16 bits", zombie(0x10000), {place + "0x10000 is no wait status"}},
      {"a core without a signal", zombie(0x80), {place + "0x80 is no wait status"}},
      {"a code and a signal", zombie(0x109), {place + "0x109 is no wait status"}},
  });
}

TEST(ImageErrors, Cgroups) {
  RunCases({
      {"a set of the thread's part",
       [](Dump& d) {
         d.AddThread(10, 12);
         d.cores[10].mutable_thread_core()->set_cg_set(1);
         d.cores[12].mutable_thread_core()->set_cg_set(7);
       },
       {"unsupported core-12.img[0].thread_core.cg_set: cgroup set 7, not the dumper's own"}},
      {"a set of the process's part, as before CRIU 3.18",
       [](Dump& d) {
         d.AddThread(10, 12);
         d.cores[10].mutable_tc()->set_cg_set(7);
       },
       {"unsupported core-10.img[0].tc.cg_set: cgroup set 7, not the dumper's own"}},
      {"the thread's part counts",
       [](Dump& d) {
         d.cores[10].mutable_tc()->set_cg_set(7);
         d.cores[10].mutable_thread_core()->set_cg_set(1);
       },
       {}},
      {"what is in cgroup.img",
       [](Dump& d) { d.edits = {Put("cgroup.img", MagicsOf("CGROUP") + Entry(""))}; },
       {"unsupported cgroup.img[0]: cgroup membership and settings"}},
  });
}

TEST(ImageErrors, Seccomp) {
  auto filters = [](Dump& d, std::vector<int> next, std::uint32_t first) {
    d.cores[10].mutable_thread_core()->set_seccomp_mode(2);
    d.cores[10].mutable_thread_core()->set_seccomp_filter(first);
    for (int prev : next) {
      pb::seccomp_filter& filter =
          *(d.seccomp ? *d.seccomp : d.seccomp.emplace()).add_seccomp_filters();
      filter.set_filter("12345678");
      if (prev >= 0) filter.set_prev(static_cast<std::uint32_t>(prev));
    }
  };
  const std::string cycle =
      "error core-10.img[0].thread_core.seccomp_filter: the chain of filters in seccomp.img is a "
      "cycle, or has more than 32768 instructions";
  RunCases({
      {"a chain",
       [&](Dump& d) {
         filters(d, {-1, 0, 1}, 2);
       },
       {}},
      {"no image",
       [&](Dump& d) { filters(d, {}, 0); },
       {"error core-10.img[0].thread_core.seccomp_filter: no filter 0 in seccomp.img"}},
      {"no such filter",
       [&](Dump& d) { filters(d, {-1}, 1); },
       {"error core-10.img[0].thread_core.seccomp_filter: no filter 1 in seccomp.img"}},
      {"a chain that leads nowhere",
       [&](Dump& d) { filters(d, {9}, 0); },
       {"error core-10.img[0].thread_core.seccomp_filter: no filter 9 in seccomp.img"}},
      {"a filter before itself", [&](Dump& d) { filters(d, {0}, 0); }, {cycle}},
      {"two in a ring",
       [&](Dump& d) {
         filters(d, {1, 0, -1}, 0);
       },
       {cycle}},
      {"a ring of others",
       [&](Dump& d) {
         filters(d, {1, 0, -1}, 2);
       },
       {}},
  });
}

TEST(ImageErrors, SharedIds) {
  auto second = [](auto change) {
    return [=](Dump& d) {
      d.AddProcess(11, 10);
      change(d.ids[11]);
    };
  };
  const std::string shared = ": 10 is pid 10's too; no dump shares it between processes";
  RunCases({
      {"vm_id",
       second([](pb::task_kobj_ids_entry& ids) { ids.set_vm_id(10); }),
       {"error ids-11.img[0].vm_id" + shared}},
      {"fs_id",
       second([](pb::task_kobj_ids_entry& ids) { ids.set_fs_id(10); }),
       {"error ids-11.img[0].fs_id" + shared}},
      {"sighand_id",
       second([](pb::task_kobj_ids_entry& ids) { ids.set_sighand_id(10); }),
       {"error ids-11.img[0].sighand_id" + shared}},
      {"tables of siblings",
       [](Dump& d) {
         d.AddProcess(11, 10);
         d.AddProcess(12, 10);
         d.ids[12].set_files_id(11);
         d.tables.erase(12);
       },
       {"error ids-12.img[0].files_id: 11 is shared with a process that is not the parent"}},
      {"tables of grandparent and grandchild",
       [](Dump& d) {
         d.AddProcess(11, 10);
         d.AddProcess(12, 11);
         d.ids[12].set_files_id(10);
         d.tables.erase(12);
       },
       {"error ids-12.img[0].files_id: 10 is shared with a process that is not the parent"}},
  });
}

TEST(ImageErrors, Namespaces) {
  auto root = [](auto set) {
    return [=](Dump& d) {
      pb::task_kobj_ids_entry& dumper = *d.inventory.mutable_root_ids();
      (dumper.*set)(3);
      (d.ids[10].*set)(13);
    };
  };
  auto child = [](auto set) {
    return [=](Dump& d) {
      d.AddProcess(11, 10);
      (d.inventory.mutable_root_ids()->*set)(3);
      (d.ids[10].*set)(3);
      (d.ids[11].*set)(13);
    };
  };
  using Ids = pb::task_kobj_ids_entry;
  const std::string at = "unsupported ids-10.img[0].", own = " namespace of the tree's own";
  const std::string of_child = "unsupported ids-11.img[0].",
                    other = " namespace that is not the root's";
  RunCases({
      {"pid", root(&Ids::set_pid_ns_id), {at + "pid_ns_id: a pid" + own}},
      {"net", root(&Ids::set_net_ns_id), {at + "net_ns_id: a network" + own}},
      {"ipc", root(&Ids::set_ipc_ns_id), {at + "ipc_ns_id: an IPC" + own}},
      {"uts", root(&Ids::set_uts_ns_id), {at + "uts_ns_id: a UTS" + own}},
      {"mnt", root(&Ids::set_mnt_ns_id), {at + "mnt_ns_id: a mount" + own}},
      {"user", root(&Ids::set_user_ns_id), {at + "user_ns_id: a user" + own}},
      {"cgroup", root(&Ids::set_cgroup_ns_id), {at + "cgroup_ns_id: a cgroup" + own}},
      {"time", root(&Ids::set_time_ns_id), {at + "time_ns_id: a time" + own}},
      {"net of a child", child(&Ids::set_net_ns_id), {of_child + "net_ns_id: a network" + other}},
      {"mnt of a child", child(&Ids::set_mnt_ns_id), {of_child + "mnt_ns_id: a mount" + other}},
      {"pid of a child", child(&Ids::set_pid_ns_id), {of_child + "pid_ns_id: a pid" + other}},
  });
}

TEST(ImageErrors, Files) {
  RunCases({
      {"an id twice",
       [](Dump& d) { d.AddFile(3, "/dev/zero"); },
       {"error files.img[3].id: file 3 stands twice"}},
      {"two ids",
       [](Dump& d) { d.files[2].mutable_reg()->set_id(4); },
       {"error files.img[2]: id 3 but its message has id 4",
        "error fdinfo-10.img[0].id: no file 3 in files.img (fd 0 of pid 10)"}},
      {"no message",
       [](Dump& d) { d.AddOther(4, pb::FD_REG); },
       {"error files.img[3]: type REG without its message"}},
      {"no message of a memfd",
       [](Dump& d) { d.AddOther(4, pb::FD_MEMFD); },
       {"error files.img[3]: type MEMFD without its message"}},
      {"a relative path",
       [](Dump& d) { d.AddFile(4, "tmp"); },
       {"error files.img[3].reg.name: \"tmp\" is no absolute path"}},
      {"no path",
       [](Dump& d) { d.AddFile(4, ""); },
       {"error files.img[3].reg.name: \"\" is no absolute path"}},
      {"a path with a NUL",
       [](Dump& d) { d.AddFile(4, std::string("/a\0b", 4)); },
       {"error files.img[3].reg.name: contains a NUL"}},
      {"a memfd without an object",
       [](Dump& d) {
         d.AddMemfd(4, 1, 1, "m", 1);
         d.memfds.clear();
       },
       {"error files.img[3].memfd.inode_id: no object 1 in memfd.img"}},
      {"opened for ioctl alone",
       [](Dump& d) { d.AddFile(4, "/x").mutable_reg()->set_flags(3); },
       {"unsupported files.img[3]: file opened with access mode 3, for ioctl(2) alone, file 4"}},
      {"an external file",
       [](Dump& d) { d.AddFile(4, "key").mutable_reg()->set_ext(true); },
       {"unsupported files.img[3]: external file key, which the caller of a restore hands over, "
        "file 4"}},
      {"a type that no command says",
       [](Dump& d) {
         d.AddOther(4, pb::FD_PIPE);
         d.AddProcess(11, 10);
         d.AddDescriptor(10, 5, 4, pb::FD_PIPE);
         d.AddDescriptor(11, 6, 4, pb::FD_PIPE);
       },
       {"unsupported files.img[3]: descriptor of type PIPE, file 4 (fd 5 of pid 10, fd 6 of pid "
        "11)"}},
      {"a type of the future",
       [](Dump& d) { d.AddOther(4, 21); },
       {"unsupported files.img[3]: descriptor of type type 21, file 4"}},
      {"no type",
       [](Dump& d) { d.AddOther(4, 0); },
       {"unsupported files.img[3]: descriptor of type UND, file 4"}},
  });
  std::vector<DumpCase> types;
  for (std::uint32_t type = 0; type < std::size(kFileTypes); ++type) {
    if (type == pb::FD_REG || type == pb::FD_MEMFD) continue;
    const std::string name(kFileTypes[type]);
    const bool planned =
        type == pb::FD_EVENTFD || type == pb::FD_SIGNALFD || type == pb::FD_TIMERFD;
    types.push_back(
        {name,
         [=](Dump& d) { d.AddOther(4, type); },
         {planned ? "error files.img[3]: type " + name + " without its message"
                  : "unsupported files.img[3]: descriptor of type " + name + ", file 4"}});
  }
  RunCases(types);
}

TEST(ImageErrors, Remaps) {
  auto remap = [](std::uint32_t file, std::optional<std::uint32_t> type) {
    return [=](Dump& d) {
      d.AddFile(4, "/tmp/x");
      pb::remap_file_path_entry& entry = d.remaps.emplace_back();
      entry.set_orig_id(file);
      entry.set_remap_id(9);
      if (type) entry.set_remap_type(*type);
    };
  };
  const std::string head = "unsupported files.img[3]: file /tmp/x is not reachable by its name: ";
  RunCases({
      {"linked", remap(4, 0), {head + "a hard link left by the dumper stands for it, file 4"}},
      {"ghost", remap(4, 1), {head + "it is unlinked, file 4"}},
      {"procfs", remap(4, 2), {head + "it belonged to a dead process, file 4"}},
      {"a type of the future", remap(4, 3), {head + "it is remapped, file 4"}},
      {"no such file", remap(5, 1), {"error remap-fpath.img[0].orig_id: no file 5 in files.img"}},
  });
}

TEST(ImageErrors, Descriptors) {
  RunCases({
      {"fd above all",
       [](Dump& d) { d.AddDescriptor(10, 1 << 30, 3); },
       {"error fdinfo-10.img[1].fd: 1073741824 is no descriptor number"}},
      {"fd -1",
       [](Dump& d) { d.AddDescriptor(10, -1, 3); },
       {"error fdinfo-10.img[1].fd: 4294967295 is no descriptor number"}},
      {"fd twice",
       [](Dump& d) {
         d.AddDescriptor(10, 4, 3);
         d.AddDescriptor(10, 0, 3);
       },
       {"error fdinfo-10.img: fd 0 stands twice"}},
      {"no such file",
       [](Dump& d) { d.AddDescriptor(10, 4, 9); },
       {"error fdinfo-10.img[1].id: no file 9 in files.img (fd 4 of pid 10)"}},
      {"another type",
       [](Dump& d) { d.AddDescriptor(10, 4, 3, pb::FD_PIPE); },
       {"error fdinfo-10.img[1].type: PIPE, but file 3 is REG"}},
      {"a label of SELinux",
       [](Dump& d) { d.AddDescriptor(10, 4, 3).set_xattr_security_selinux("x"); },
       {"unsupported fdinfo-10.img[1].xattr_security_selinux: an SELinux label of a socket"}},
  });
}

TEST(ImageErrors, Paths) {
  RunCases({
      {"no cwd",
       [](Dump& d) { d.fs[10].set_cwd_id(9); },
       {"error fs-10.img[0].cwd_id: no file 9 in files.img"}},
      {"no root",
       [](Dump& d) { d.fs[10].set_root_id(9); },
       {"error fs-10.img[0].root_id: no file 9 in files.img"}},
      {"no exe",
       [](Dump& d) { d.mms[10].set_exe_file_id(9); },
       {"error mm-10.img[0].exe_file_id: no file 9 in files.img"}},
      {"a cwd of another type",
       [](Dump& d) {
         d.AddOther(4, pb::FD_PIPE);
         d.fs[10].set_cwd_id(4);
       },
       {"error fs-10.img[0].cwd_id: file 4 is a PIPE, expected REG",
        "unsupported files.img[3]: descriptor of type PIPE, file 4"}},
      {"an exe that is unlinked",
       [](Dump& d) {
         pb::remap_file_path_entry& entry = d.remaps.emplace_back();
         entry.set_orig_id(1);
         entry.set_remap_type(1);
       },
       {"unsupported mm-10.img[0].exe_file_id: file /bin/program is not reachable by its name: it "
        "is unlinked",
        "unsupported files.img[0]: file /bin/program is not reachable by its name: it is "
        "unlinked, file 1"}},
  });
}

TEST(ImageErrors, Areas) {
  auto area = [](std::uint64_t start, std::uint64_t end, std::uint32_t status) {
    return [=](Dump& d) {
      pb::vma_entry& vma = d.AddArea(10, start, 0, status);
      vma.set_end(end);
    };
  };
  const std::string at = "mm-10.img[0].vmas[1]";
  const std::string no_range = " is no range of whole pages below 0xfffffffffff000";
  const std::uint32_t anonymous = kRegular | kAnonPrivate;
  RunCases({
      {"unaligned start",
       area(0x20001, 0x22000, anonymous),
       {"error " + at + ": 0x20001 to 0x22000" + no_range}},
      {"unaligned end",
       area(0x20000, 0x22001, anonymous),
       {"error " + at + ": 0x20000 to 0x22001" + no_range}},
      {"empty",
       area(0x20000, 0x20000, anonymous),
       {"error " + at + ": 0x20000 to 0x20000" + no_range}},
      {"backwards",
       area(0x22000, 0x20000, anonymous),
       {"error " + at + ": 0x22000 to 0x20000" + no_range}},
      {"beyond the user's addresses",
       area(0xffffffffff600000, 0xffffffffff601000, anonymous),
       {"error " + at + ": 0xffffffffff600000 to 0xffffffffff601000" + no_range}},
      {"vsyscall elsewhere",
       area(0x20000, 0x21000, kRegular | kVsyscall),
       {"error " + at + ": 0x20000 to 0x21000 is not the place of vsyscall, 0xffffffffff600000"}},
      {"two of vvar",
       [](Dump& d) {
         d.AddArea(10, 0x20000, 2, kRegular | kAnonPrivate | kVvar);
         d.AddArea(10, 0x22000, 2, kRegular | kAnonPrivate | kVvar);
       },
       {"unsupported mm-10.img[0].vmas[2]: a second area of vdso, vvar or vsyscall"}},
      {"vdso of another size",
       [](Dump& d) {
         d.AddProcess(11, 10);
         d.AddArea(10, 0x20000, 2, kRegular | kAnonPrivate | kVdso);
         d.AddArea(11, 0x30000, 1, kRegular | kAnonPrivate | kVdso);
       },
       {"error mm-11.img[0].vmas[1]: vdso or vvar has 0x1000 bytes, but 0x2000 in pid 10"}},
      {"vsyscall of another protection",
       [](Dump& d) {
         d.AddProcess(11, 10);
         d.AddArea(10, 0xffffffffff600000, 1, kVsyscall | kAnonPrivate).set_prot(4);
         d.AddArea(11, 0xffffffffff600000, 1, kVsyscall | kAnonPrivate).set_prot(5);
       },
       {"error mm-11.img[0].vmas[1].prot: of vsyscall is 0x5, but 0x4 in pid 10"}},
      {"no protection",
       [](Dump& d) { d.AddArea(10, 0x20000, 1, kRegular | kAnonPrivate).set_prot(8); },
       {"error " + at + ".prot: 0x8 is no protection"}},
      {"shared by its flags alone",
       [](Dump& d) { d.AddArea(10, 0x20000, 1, kRegular | kAnonPrivate).set_flags(0x21); },
       {"error " + at + ".flags: 0x21, but by its status the area is private, anonymous"}},
      {"private by its flags alone",
       [](Dump& d) { d.AddArea(10, 0x20000, 1, kRegular | kAnonShared).set_flags(0x22); },
       {"error " + at + ".flags: 0x22, but by its status the area is shared, anonymous"}},
      {"neither shared nor private",
       [](Dump& d) { d.AddArea(10, 0x20000, 1, kRegular | kAnonPrivate).set_flags(0x20); },
       {"error " + at + ".flags: 0x20, but by its status the area is private, anonymous"}},
      {"not anonymous by its flags",
       [](Dump& d) { d.AddArea(10, 0x20000, 1, kRegular | kAnonPrivate).set_flags(2); },
       {"error " + at + ".flags: 0x2, but by its status the area is private, anonymous"}},
      {"anonymous by its flags alone",
       [](Dump& d) {
         pb::vma_entry& vma = d.AddArea(10, 0x20000, 1, kRegular | kFilePrivate);
         vma.set_shmid(1);
         vma.set_flags(0x22);
       },
       {"error " + at + ".flags: 0x22, but by its status the area is private, of a file"}},
      {"flags of the future",
       [](Dump& d) { d.AddArea(10, 0x20000, 1, kRegular | kAnonPrivate).set_flags(0x80022); },
       {"unsupported " + at + ".flags: mapping flags 0x80000"}},
      {"a vdso that is locked",
       [](Dump& d) {
         d.AddArea(10, 0x20000, 1, kRegular | kAnonPrivate | kVdso).set_flags(0x2022);
       },
       {"unsupported " + at + ".flags: mapping flags 0x2000"}},
      {"droppable",
       [](Dump& d) { d.AddArea(10, 0x20000, 1, kRegular | kAnonPrivate).set_flags(0x28); },
       {}},
      {"advice that contradicts itself",
       [](Dump& d) { d.AddArea(10, 0x20000, 1, kRegular | kAnonPrivate).set_madv(0xc000); },
       {"error " + at + ".madv: 0xc000 has advices that exclude each other"}},
      {"advice that does not last",
       [](Dump& d) { d.AddArea(10, 0x20000, 1, kRegular | kAnonPrivate).set_madv(0x410); },
       {"unsupported " + at + ".madv: advice 0x10"}},
      {"advice on vvar",
       [](Dump& d) {
         d.AddArea(10, 0x20000, 1, kRegular | kAnonPrivate | kVvar).set_madv(0x14000);
       },
       {"unsupported " + at + ".madv: advice 0x4000"}},
      {"overlap",
       area(0x11000, 0x13000, anonymous),
       {"error " + at + ": begins at 0x11000, before the end of the area before, 0x12000"}},
      {"not ascending",
       area(0x1000, 0x3000, anonymous),
       {"error " + at + ": begins at 0x1000, before the end of the area before, 0x12000"}},
      {"packet socket",
       area(0x20000, 0x22000, kRegular | kSocket),
       {"unsupported " + at + ": a mapping of a packet socket"}},
      {"shadow stack",
       area(0x20000, 0x22000, anonymous | kShadowStack),
       {"unsupported " + at + ": a shadow stack"}},
      {"plugin",
       area(0x20000, 0x22000, kRegular | kExtPlugin),
       {"unsupported " + at + ": a device mapping of a plugin"}},
      {"unsupported by CRIU",
       area(0x20000, 0x22000, kUnsupportedArea),
       {"unsupported " + at + ": an area that CRIU does not support"}},
      {"no kind",
       area(0x20000, 0x22000, kRegular),
       {"unsupported " + at + ": an area with status 0x1"}},
      {"System V",
       area(0x20000, 0x22000, kRegular | kAnonShared | kSysvIpc),
       {"unsupported " + at + ": System V shared memory 0"}},
      {"AIO ring",
       area(0x20000, 0x22000, kAioRing),
       {"error " + at + ": an AIO ring that mm_entry.aios does not list"}},
      {"a guard outside",
       area(0x20000, 0x22000, kGuard),
       {"error " + at + ": a guard range outside of all areas"}},
      {"a guard that begins inside",
       area(0x11000, 0x13000, kGuard),
       {"error " + at + ": a guard range outside of all areas"}},
      {"an overlap with an area that is unsupported",
       [](Dump& d) {
         d.AddArea(10, 0x20000, 2, kRegular | kSocket);
         d.AddArea(10, 0x21000, 2, kRegular | kAnonPrivate);
       },
       {"unsupported " + at + ": a mapping of a packet socket",
        "error mm-10.img[0].vmas[2]: begins at 0x21000, before the end of the area before, "
        "0x22000"}},
      {"guards overlap",
       [](Dump& d) {
         d.AddArea(10, 0x10000, 2, kGuard);
         d.AddArea(10, 0x11000, 1, kGuard);
         d.pagemaps["pagemap-10.img"].runs.clear();
       },
       {"error mm-10.img[0].vmas[2]: guard ranges overlap or do not ascend"}},
      {"a guard in an area that is unsupported",
       [](Dump& d) {
         d.AddArea(10, 0x20000, 2, kRegular | kSocket);
         d.AddArea(10, 0x21000, 1, kGuard);
       },
       {"unsupported " + at + ": a mapping of a packet socket"}},
  });
}

TEST(ImageErrors, MappedFiles) {
  auto mapped = [](std::uint64_t file, std::uint32_t status) {
    return [=](Dump& d) {
      d.AddOther(5, pb::FD_PIPE);
      d.AddArea(10, 0x20000, 1, kRegular | status).set_shmid(file);
    };
  };
  const std::string pipe = "unsupported files.img[3]: descriptor of type PIPE, file 5";
  const std::string at = "error mm-10.img[0].vmas[1].shmid: ";
  RunCases({
      {"no file", mapped(9, kFilePrivate), {at + "no file 9 in files.img", pipe}},
      {"no file id", mapped(std::uint64_t{1} << 32 | 1, kFileShared), {at + "is no file id", pipe}},
      {"another type", mapped(5, kFileShared), {at + "file 5 has type PIPE, expected REG", pipe}},
      {"a file that is no memfd",
       mapped(1, kFileShared | kMemfd),
       {at + "file 1 has type REG, expected MEMFD", pipe}},
      {"a memfd that is mapped as a file",
       [](Dump& d) {
         d.AddMemfd(4, 1, 1, "m", 1);
         d.AddDescriptor(10, 4, 4, pb::FD_MEMFD);
         d.AddArea(10, 0x20000, 1, kRegular | kFileShared).set_shmid(4);
       },
       {at + "file 4 has type MEMFD, expected REG"}},
      {"a file that is unsupported",
       [](Dump& d) {
         d.AddFile(4, "key").mutable_reg()->set_ext(true);
         d.AddArea(10, 0x20000, 1, kRegular | kFilePrivate).set_shmid(4);
       },
       {"unsupported mm-10.img[0].vmas[1]: a mapping of file 4, which is unsupported",
        "unsupported files.img[3]: external file key, which the caller of a restore hands over, "
        "file 4"}},
      {"a file opened for writing alone",
       [](Dump& d) {
         pb::vma_entry& area = d.AddArea(10, 0x20000, 1, kRegular | kFilePrivate);
         area.set_shmid(1);
         area.set_fdflags(1);
       },
       {"error mm-10.img[0].vmas[1].fdflags: a file opened with access mode 1 cannot be mapped "
        "like this"}},
      {"a shared view for writing of a file opened for reading",
       [](Dump& d) {
         pb::vma_entry& area = d.AddArea(10, 0x20000, 1, kRegular | kFileShared);
         area.set_shmid(1);
         area.set_fdflags(0);
       },
       {"error mm-10.img[0].vmas[1].fdflags: a file opened with access mode 0 cannot be mapped "
        "like this"}},
      {"an offset inside a page",
       [](Dump& d) {
         pb::vma_entry& area = d.AddArea(10, 0x20000, 1, kRegular | kFilePrivate);
         area.set_shmid(1);
         area.set_pgoff(1);
       },
       {"error mm-10.img[0].vmas[1].pgoff: 0x1 is no offset of a page in a file"}},
      {"an offset beyond all files",
       [](Dump& d) {
         pb::vma_entry& area = d.AddArea(10, 0x20000, 1, kRegular | kFilePrivate);
         area.set_shmid(1);
         area.set_pgoff(~std::uint64_t{4095});
       },
       {"error mm-10.img[0].vmas[1].pgoff: 0xfffffffffffff000 is no offset of a page in a file"}},
  });
}

TEST(ImageErrors, Memfds) {
  auto object = [](auto change) {
    return [=](Dump& d) {
      d.AddMemfd(4, 1, 1, "m", 1);
      d.AddMemfd(5, 2, 2, "n", 1);
      d.AddDescriptor(10, 4, 4, pb::FD_MEMFD);
      d.AddDescriptor(10, 5, 5, pb::FD_MEMFD);
      change(d);
    };
  };
  RunCases({
      {"as it is", object([](Dump&) {}), {}},
      {"an id that no file can name",
       object([](Dump& d) { d.memfds[1].set_inode_id(std::uint64_t{1} << 32); }),
       {"error memfd.img[1]: inode id 4294967296 or size 4096 is out of range",
        "error files.img[4].memfd.inode_id: no object 2 in memfd.img",
        "error fdinfo-10.img[2].id: no file 5 in files.img (fd 5 of pid 10)"}},
      {"a size beyond all",
       object([](Dump& d) { d.memfds[1].set_size(~std::uint64_t{0}); }),
       {"error memfd.img[1]: inode id 2 or size 18446744073709551615 is out of range",
        "error files.img[4].memfd.inode_id: no object 2 in memfd.img",
        "error fdinfo-10.img[2].id: no file 5 in files.img (fd 5 of pid 10)"}},
      {"an id twice",
       object([](Dump& d) {
         d.memfds[1].set_inode_id(1);
         d.files[4].mutable_memfd()->set_inode_id(1);
       }),
       {"error memfd.img[1].inode_id: 1 stands twice"}},
      {"nobody has it",
       object([](Dump& d) { d.tables[10].pop_back(); }),
       {"warning memfd.img[1]: nothing that is planned refers to it"}},
      {"pages beyond its end",
       object([](Dump& d) {
         d.pagemaps["pagemap-shmem-2.img"] = {7, {PagesAt(0, 2)}};
       }),
       {"error pagemap-shmem-2.img[1]: 2 pages at 0x0 are not below 0x1000",
        "warning pages-7.img: nothing in this dump refers to it"}},
      {"a view for writing of what is sealed against it",
       object([](Dump& d) {
         d.memfds[1].set_seals(8);
         d.AddArea(10, 0x20000, 1, kRegular | kFileShared | kMemfd).set_shmid(5);
       }),
       {"error mm-10.img[0].vmas[1].prot: a shared view for writing of a memfd that is sealed "
        "against it, file 5"}},
      {"a view for writing from before its memfd was sealed",
       object([](Dump& d) {
         d.memfds[1].set_seals(16);
         d.AddArea(10, 0x20000, 1, kRegular | kFileShared | kMemfd).set_shmid(5);
       }),
       {"unsupported mm-10.img[0].vmas[1].prot: a shared view for writing that is older than "
        "F_SEAL_FUTURE_WRITE of its memfd, file 5"}},
      {"one number for two shared objects",
       object([](Dump& d) {
         d.AddMemfd(6, 3, 1, "/dev/zero", 1);
         d.AddArea(10, 0x20000, 1, kRegular | kFileShared | kMemfd).set_shmid(6);
         d.AddArea(10, 0x21000, 1, kRegular | kAnonShared).set_shmid(1);
       }),
       {"error memfd.img[0].shmid: 1 is another object's too",
        "error memfd.img[2].shmid: 1 is another object's too"}},
      {"an offset beyond any object",
       [](Dump& d) {
         pb::vma_entry& area = d.AddArea(10, 0x20000, 1, kRegular | kAnonShared);
         area.set_shmid(7);
         area.set_pgoff(~std::uint64_t{4095});
       },
       {"error mm-10.img[0].vmas[1].pgoff: 0xfffffffffffff000 is beyond any object"}},
  });
}

TEST(ImageErrors, Pages) {
  auto runs = [](std::vector<pb::pagemap_entry> entries) {
    return [=](Dump& d) { d.pagemaps["pagemap-10.img"].runs = entries; };
  };
  const std::string unused = "warning pages-10.img: nothing in this dump refers to it";
  RunCases({
      {"an address inside a page",
       runs({PagesAt(0x10001, 1)}),
       {"error pagemap-10.img[1]: 1 pages at 0x10001 are not below 0xfffffffffff000", unused}},
      {"an address beyond all",
       runs({PagesAt(~std::uint64_t{4095}, 1)}),
       {"error pagemap-10.img[1]: 1 pages at 0xfffffffffffff000 are not below 0xfffffffffff000",
        unused}},
      {"more pages than there can be",
       runs({PagesAt(0x10000, 1), PagesAt(0x11000, ~std::uint64_t{0})}),
       {"error pagemap-10.img[2]: 18446744073709551615 pages at 0x11000 are not below "
        "0xfffffffffff000",
        unused}},
      {"runs overlap",
       runs({PagesAt(0x10000, 2), PagesAt(0x11000, 1)}),
       {"error pagemap-10.img[2]: begins at 0x11000, before the end of the run before", unused}},
      {"runs do not ascend",
       runs({PagesAt(0x11000, 1), PagesAt(0x10000, 1)}),
       {"error pagemap-10.img[2]: begins at 0x10000, before the end of the run before", unused}},
      {"pages outside of all areas",
       runs({PagesAt(0x8000, 1), PagesAt(0x12000, 1)}),
       {"error pagemap-10.img: pages at 0x8000 lie in no area of mm",
        "error pagemap-10.img: pages at 0x12000 lie in no area of mm"}},
      {"pages that go on behind an area",
       runs({PagesAt(0x11000, 2)}),
       {"error pagemap-10.img: pages at 0x12000 lie in no area of mm"}},
      {"pages of a guard range",
       [](Dump& d) { d.AddArea(10, 0x11000, 1, kGuard); },
       {"error pagemap-10.img: pages at 0x11000 lie in a guard range"}},
      {"pages of a shared area",
       [](Dump& d) {
         d.AddArea(10, 0x20000, 1, kRegular | kFileShared).set_shmid(1);
         d.pagemaps["pagemap-10.img"].runs.push_back(PagesAt(0x20000, 1));
       },
       {"error pagemap-10.img: pages at 0x20000 lie in a shared area"}},
      {"pages behind the end of a file",
       [](Dump& d) {
         d.files[0].mutable_reg()->set_size(kPage + 1);
         d.AddArea(10, 0x20000, 4, kRegular | kFilePrivate).set_shmid(1);
         d.pagemaps["pagemap-10.img"].runs.push_back(PagesAt(0x20000, 4));
       },
       {"error pagemap-10.img: pages at 0x22000 lie behind the end of their file"}},
      {"pages of a device, which has no end",
       [](Dump& d) {
         d.files[0].mutable_reg()->set_size(0);
         d.files[0].mutable_reg()->set_mode(020666);
         d.AddArea(10, 0x20000, 1, kRegular | kFilePrivate).set_shmid(1);
         d.pagemaps["pagemap-10.img"].runs.push_back(PagesAt(0x20000, 1));
       },
       {}},
      {"pages behind the end of a memfd",
       [](Dump& d) {
         d.AddMemfd(8, 3, 5, "memory", 1);
         d.AddArea(10, 0x20000, 2, kRegular | kFilePrivate | kMemfd).set_shmid(8);
         d.pagemaps["pagemap-10.img"].runs.push_back(PagesAt(0x20000, 2));
       },
       {"error pagemap-10.img: pages at 0x21000 lie behind the end of their file"}},
      {"pages of an area that is unsupported",
       [](Dump& d) {
         d.AddArea(10, 0x20000, 1, kRegular | kSocket);
         d.pagemaps["pagemap-10.img"].runs.push_back(PagesAt(0x20000, 1));
       },
       {"unsupported mm-10.img[0].vmas[1]: a mapping of a packet socket"}},
      {"pages left with the source host",
       runs({PagesAt(0x10000, 1), PagesAt(0x11000, 1, kLazy)}),
       {"unsupported pagemap-10.img[2]: pages at 0x11000 were left with the source host"}},
      {"pages that are nowhere",
       runs({PagesAt(0x10000, 1), PagesAt(0x11000, 1, 0)}),
       {"error pagemap-10.img[2].flags: 0x0 does not tell where the pages are", unused}},
      {"pages image too short",
       [](Dump& d) { d.edits = {CutBy("pages-10.img", 1)}; },
       {"error pages-10.img: has 8191 bytes, pagemap-10.img wants 8192"}},
      {"pages image too long",
       [](Dump& d) { d.edits = {Append("pages-10.img", "x")}; },
       {"error pages-10.img: has 8193 bytes, pagemap-10.img wants 8192"}},
      {"pages, but no runs",
       [](Dump& d) {
         d.pagemaps["pagemap-10.img"].runs.clear();
         d.edits = {Put("pages-10.img", std::string(kPage, 'x'))};
       },
       {"error pages-10.img: has 4096 bytes, pagemap-10.img wants 0"}},
      {"pages of nobody",
       [](Dump& d) { d.edits = {Put("pages-11.img", "")}; },
       {"warning pages-11.img: nothing in this dump refers to it"}},
  });
}

TEST(ImageErrors, Locks) {
  auto lock = [](std::uint32_t flag) {
    pb::file_lock_entry entry;
    entry.set_flag(flag);
    entry.set_pid(10);
    entry.set_fd(3);
    return Entry(BytesOf(entry));
  };
  RunCases({{"locks",
             [&](Dump& d) {
               d.edits = {Put("filelocks.img", MagicsOf("FILE_LOCKS") + lock(1) + lock(2) +
                                                   lock(4) + lock(8) + lock(99) + Entry("\x08"))};
             },
             {"unsupported filelocks.img[0]: a POSIX lock of pid 10 on fd 3",
              "unsupported filelocks.img[1]: a flock lock of pid 10 on fd 3",
              "unsupported filelocks.img[2]: a OFD lock of pid 10 on fd 3",
              "unsupported filelocks.img[3]: a lease lock of pid 10 on fd 3",
              "unsupported filelocks.img[4]: a file lock of pid 10 on fd 3",
              "unsupported filelocks.img[5]: a file lock"}}});
}

/// Every image that no command describes: each entry by its number, or the file as a whole.
TEST(ImageErrors, UnsupportedImages) {
  std::vector<DumpCase> cases;
  for (const ImageKind& kind : ImageKinds()) {
    if (kind.treatment != Treatment::kUnsupported || kind.name == "REMAP_FPATH") continue;
    std::string file(kind.pattern);
    const std::size_t hole = file.find_first_of("#%");
    if (hole != std::string::npos) file.replace(hole, 1, "8");
    std::string note(kind.note);
    if (kind.name == "FILE_LOCKS") note = "a file lock of pid 0 on fd 0";
    DumpCase test{file, nullptr, {}};
    if (kind.payload == Payload::kWholeFile || kind.payload == Payload::kUnlisted) {
      test.change = [=](Dump& d) { d.edits = {Put(file, "anything")}; };
      test.expected = {"unsupported " + file + ": " + note};
    } else {
      const std::string name(kind.name);
      test.change = [=](Dump& d) { d.edits = {Put(file, MagicsOf(name) + Entry("") + Entry(""))}; };
      test.expected = {"unsupported " + file + "[0]: " + note,
                       "unsupported " + file + "[1]: " + note};
    }
    cases.push_back(test);
  }
  EXPECT_GT(cases.size(), 50u);
  RunCases(cases);
  RunCases(
      {{"a wrong magic in one of them",
        [](Dump& d) { d.edits = {Put("utsns-8.img", MagicsOf("PSTREE"))}; },
        {"error utsns-8.img @0x4: magic is 0x50273030, expected 0x54473203 (UTSNS)"}},
       {"raw bytes behind entries",
        [](Dump& d) {
          // pipe_data_entry: pipe_id 1, bytes 3.
          const std::string entry = Entry("\x08\x01\x10\x03");
          d.edits = {Put("pipes-data.img", MagicsOf("PIPES_DATA") + entry + "abc" + entry + "ab")};
        },
        {"unsupported pipes-data.img[0]: bytes queued in a pipe",
         "unsupported pipes-data.img[1]: bytes queued in a pipe",
         "error pipes-data.img[1]: wants 3 bytes behind it, 2 are left"}},
       {"one of them cut",
        [](Dump& d) {
          d.edits = {Put("utsns-8.img", MagicsOf("UTSNS") + Entry("abc")), CutBy("utsns-8.img", 1)};
        },
        {"error utsns-8.img @0x8: entry 0 wants 3 bytes, 2 are left"}}});
}

}  // namespace
}  // namespace crgen
