/*
 * A file that a command writes for its user, or for a service, in a directory that may be another's: under a hidden name first, found by name in
 * that directory and never through a link, and in its place as a whole.
 */
#ifndef XFEDCTL_PLACE_H
#define XFEDCTL_PLACE_H

#include <limits.h>

#include "ctl.h"
#include "save.h"

struct place {
	const struct ctl_options *options;
	int dir;
	int lock; /* held while the temporary file is in use, whoever else has it open; -1: none */
	char path[PATH_MAX], name[NAME_MAX + 1];
	char temporary[SAVE_HIDDEN]; /* a file that is not in its place yet; "": none */
};

/* Each: FINE, or PROBLEM when why has been told. */
enum ctl_exit place_open(const struct ctl_options *o, const char *path, struct place *p);
/* A file that is there may be replaced only where it begins with `mark`: it was written by the same command. */
enum ctl_exit place_check(const struct place *p, const char *mark);
/* Takes away what those that were killed have left there, which nobody holds. */
int place_begin(struct place *p); /* a new hidden file there, for us alone (0600), open for writing; -1: why not has been told */
enum ctl_exit place_write(const struct place *p, int fd, struct xfed_span bytes);
enum ctl_exit place_end(struct place *p, int fd); /* its bytes to the disk, and it into its place; `fd` stays open */
void place_close(struct place *p);		  /* takes away what is not in its place */

/* Tells "PATH: WHAT: the system's error". */
enum ctl_exit place_fail(const struct ctl_options *o, const char *path, const char *what);

#endif
