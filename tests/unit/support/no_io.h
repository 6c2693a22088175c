/*
 * Takes opening files and sockets away from the process: the protocol code does no I/O, and a test program linked with
 * this dies of SIGSYS when it, or a library underneath, does some after all.
 *
 * A test program that depends on `cmocka_no_io` instead of `cmocka` needs no line of code: its group setup is followed by
 * no_io_enter(). What it reads from files it has to read in main() or in the group setup, and global initialisers
 * of libraries belong there too.
 */
#ifndef TESTS_UNIT_SUPPORT_NO_IO_H
#define TESTS_UNIT_SUPPORT_NO_IO_H

#include <stdbool.h>

/*
 * False under a sanitizer, whose run-time opens /proc at exit and reports leaks from a process of its own, in a
 * coverage build, which writes its counts then, and under valgrind, which reads the programs' symbols for each report.
 */
bool no_io_is_possible(void);

/* For all threads of the process and for good. Nothing where it is not possible; aborts where the kernel refuses. */
void no_io_enter(void);

#endif
