// SPDX-License-Identifier: Apache-2.0
/* The executor's code as data of the supervisor. */
        .section .rodata
        .globl crgen_executor_begin, crgen_executor_end
        .balign 4096
crgen_executor_begin:
        .incbin CRRESTORE_EXECUTOR
crgen_executor_end:
        .section .note.GNU-stack, "", @progbits
