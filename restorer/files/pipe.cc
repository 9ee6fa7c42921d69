// SPDX-License-Identifier: Apache-2.0
#include "restorer/files/pipe.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <unordered_map>

#include "dsl/references.h"
#include "model/printable.h"
#include "restorer/compile.h"
#include "restorer/problem.h"
#include "restorer/user_namespace.h"

namespace crgen::restorer {
namespace {

/// What both kinds of pipes have.
PipeOp* MakePipeOp(const auto& body, OpenContext& context) {
  PipeOp* op = context.arena.New<PipeOp>();
  op->held[0] = op->held[1] = -1;
  op->capacity = body.capacity.value_or(0);
  op->peer_fd = -1;
  if (!body.data) return op;
  op->image = context.arena.Text(std::to_string(context.services.files->image(body.data->image)));
  op->offset = body.data->offset;
  op->bytes = body.data->bytes;
  return op;
}

}  // namespace

std::string PreparePipes(const Program& program, Services* services) {
  std::unordered_map<PipeId, std::size_t> first_commands;
  for (std::size_t i = 0; i < program.size(); ++i) {
    const auto* open = std::get_if<OpenFile>(&program[i].body);
    const auto* pipe = open == nullptr ? nullptr : As<Pipe>(*open->file);
    if (pipe == nullptr || open->file->external) continue;
    const auto [first, is_new] = first_commands.try_emplace(pipe->pipe_id, i);
    if (is_new || services->pipes.contains(pipe->pipe_id)) continue;
    std::array<int, 2> ends;
    if (pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK) != 0) {
      return ErrorText("pipe " + std::to_string(pipe->pipe_id.value));
    }
    services->pipes.emplace(pipe->pipe_id, HeldPipe{ends, first->second});
    const OutsideIds& ids = services->ids;
    if (!ids.user) continue;
    const FirstIds user(*ids.user);  // who opens it once more
    if (fchown(ends[0], ids.Uid(user.uid), ids.Gid(user.gid)) != 0) {
      return ErrorText("fchown of pipe " + std::to_string(pipe->pipe_id.value));
    }
  }
  return "";
}

void WarnOfKeptQueues(const Script& script) {
  for (const Process* process : script.processes) {
    for (const Op* op = process->ops; op != process->ops + process->op_count; ++op) {
      if (op->kind != OpKind::kOpenFifo) continue;
      const OpenOp& open = op->open;
      if (__atomic_load_n(open.pipe->kept, __ATOMIC_SEQ_CST) == 0) continue;
      std::fprintf(stderr,
                   "crrestore: warning: %s: %llu bytes are in the FIFO already, as many as the "
                   "plan has: they stay, and none is written\n",
                   Printable(open.path).c_str(), static_cast<unsigned long long>(open.pipe->bytes));
    }
  }
}

void FileRestorer<Pipe>::Compile(const Pipe& pipe, OpenContext& context) {
  context.op.kind = OpKind::kOpenPipe;
  PipeOp* op = MakePipeOp(pipe, context);
  context.op.open.pipe = op;
  if (context.file.external) {
    // The caller's own description keeps its flags: this one is opened through it.
    op->exists = true;
    const int given = context.services.inherited.at(*context.file.external);
    op->held_name = context.arena.Text(std::to_string(given));
    return;
  }
  const auto held = context.services.pipes.find(pipe.pipe_id);
  if (held != context.services.pipes.end()) {
    op->held[0] = held->second.ends[0];
    op->held[1] = held->second.ends[1];
    op->exists = context.op.command != held->second.first_command;
  }
  const bool writes = (context.op.open.flags & O_ACCMODE) != O_RDONLY;
  op->held_name = context.arena.Text(std::to_string(op->held[writes ? 1 : 0]));
  if (context.peer == nullptr) return;
  op->peer_fd = context.peer->fd;
  op->peer_flags = static_cast<std::uint32_t>(context.peer->file->flags.bits);
  op->peer_cloexec = context.peer->cloexec;
}

void FileRestorer<Fifo>::Compile(const Fifo& fifo, OpenContext& context) {
  context.op.kind = OpKind::kOpenFifo;
  OpenOp& open = context.op.open;
  PipeOp* op = MakePipeOp(fifo, context);
  op->kept = context.arena.NewOnBoard<Word>();
  open.pipe = op;
  const Services& services = context.services;
  FileCheck* check = context.arena.New<FileCheck>();
  check->size = -1;
  check->fifo = true;
  open.check = check;
  if (!fifo.unlinked && !fifo.opened_by) return CompileWay(fifo, context, check);
  open.path = context.arena.Text(
      fifo.unlinked ? services.unlinked.at(fifo.unlinked->id)
                    : services.linked.at(LinkKey(fifo.path, *fifo.opened_by, fifo.mount)));
  open.directory = context.service_fd;
}

}  // namespace crgen::restorer
