/*
 * One file of the configuration put in its place as a whole, or not at all: the new text is written beside it, under a hidden name, with
 * its owner, mode and access list, and on the disk before it takes the place. A symbolic link stays one: what it leads to is replaced.
 */
#ifndef XFEDCTL_SAVE_H
#define XFEDCTL_SAVE_H

#include <limits.h>
#include <sys/stat.h>

#include "xfed/buf.h"

#define SAVE_ERROR  512
#define SAVE_HIDDEN 32

/* A new file in `dir` that is its maker's alone (0600), open for writing, and the hidden name it has there: `prefix` and 16 digits; -1 with errno, and "". */
int save_new_hidden(int dir, const char *prefix, char name[SAVE_HIDDEN]);
/* Writes all of them; false with errno. */
bool save_bytes(int fd, struct xfed_span bytes);

struct save {
	int dir;					       /* of the file that is replaced */
	int link_dir;					       /* of the link, where it was asked for by one; else -1 */
	char file[PATH_MAX];				       /* as it was asked for */
	char path[PATH_MAX], name[NAME_MAX + 1];	       /* where it really lies */
	char temporary[PATH_MAX], temporary_name[SAVE_HIDDEN]; /* "": none */
	struct stat was;				       /* is_new: not filled in */
	bool is_new;
	bool is_changed; /* by save_commit(), also where that failed behind it */
	size_t max;
	/* Set behind save_open(): whose a new file is to be, and how it may be used; without `is_given` it goes by its directory. */
	struct save_owner {
		bool is_given;
		uid_t uid;
		gid_t gid;
		mode_t mode; /* what others may not by it, they may not of a file that is replaced either */
		mode_t kept; /* of its owner's alone (0600): what the same group may go on with where it may with the replaced one */
	} owner;
};

/* The file's text. OK; NOT_FOUND: there is none, and `*text` is empty; INVALID with one sentence. `max`: bytes at most. */
int save_open(struct save *s, const char *file, size_t max, struct xfed_buf *text, char error[SAVE_ERROR]);
/* The same, and a link is none of ours: INVALID, as for all else but a file. Nobody can have one followed that he makes later, either. */
int save_open_plain(struct save *s, const char *file, size_t max, struct xfed_buf *text, char error[SAVE_ERROR]);
/* Writes the temporary file. OK, or INVALID with one sentence. */
int save_prepare(struct save *s, struct xfed_span text, char error[SAVE_ERROR]);
/* Puts it in its place (without one: takes the file away, of a link only that), if that still has the text `was`. OK, or INVALID with one sentence: see `is_changed`. */
int save_commit(struct save *s, struct xfed_span was, char error[SAVE_ERROR]);
/* What that takes away: its directory, and its name in it. */
int save_entry(const struct save *s, char name[NAME_MAX + 1]);
void save_close(struct save *s); /* takes a temporary file away that was not committed; zeroed with dir and link_dir -1 is fine */

#endif
