/*
 * Several files that take their places together, or none does: each is written beside its place first, so that a full disk or a missing
 * right shows before anything has changed; then they are renamed, one behind the other. What stood there is kept aside until the end, and
 * comes back if a later one fails, or the service does not want the new ones. Signals wait meanwhile.
 */
#ifndef XFEDCTL_CERT_PLAN_H
#define XFEDCTL_CERT_PLAN_H

#include <signal.h>

#include "cert_read.h"
#include "save.h"

#define CERT_PLAN_DIRS 16

enum cert_plan_kind {
	CERT_PLAN_PUBLIC, /* anybody may read it */
	CERT_PLAN_KEY,	  /* the service alone */
	CERT_PLAN_ROOT,	  /* root alone */
	CERT_PLAN_TEXT,	  /* a file of the configuration: as it is, or as its directory has it */
};

struct cert_plan_file {
	struct save save;
	struct xfed_buf was; /* the text that is replaced */
	bool is_gone;	     /* it is taken away */
	bool is_done;
	char aside[NAME_MAX + 1]; /* the old one, in the same directory; "": there was none */
};

struct cert_plan {
	struct cert_plan_file *files;
	size_t count;
	uid_t uid; /* of the service */
	gid_t gid;
	size_t file_bytes;		     /* of one file at most, the old one and the new one; init() sets CERT_FILE_BYTES */
	const char *folder;		     /* where all of them have to lie really; NULL: anywhere */
	char made[CERT_PLAN_DIRS][PATH_MAX]; /* directories; taken away again where nothing came to be in them */
	size_t made_count;
	bool is_blocking;
	sigset_t before;
};

void cert_plan_init(struct cert_plan *p, uid_t uid, gid_t gid);
/* Makes the directory where there is none. OK, or INVALID with one sentence. */
int cert_plan_dir(struct cert_plan *p, const char *dir, mode_t mode, char error[CERT_ERROR]);
/* OK; INVALID with one sentence; NOMEM. The text is copied to the disk at once. */
int cert_plan_add(struct cert_plan *p, const char *path, struct xfed_span text, enum cert_plan_kind kind, char error[CERT_ERROR]);
/*
 * A secret for who asks (CERT_PLAN_ROOT) in a directory that may be another's: no link is followed, and a file that is there is replaced only
 * where it is his and `mark` is its first line. OK; INVALID with one sentence; NOMEM.
 */
int cert_plan_add_marked(struct cert_plan *p, const char *path, struct xfed_span text, const char *mark, char error[CERT_ERROR]);
/* The file goes, if it is there. */
int cert_plan_remove(struct cert_plan *p, const char *path, char error[CERT_ERROR]);
/* All of them, or none. OK, or INVALID with one sentence. */
int cert_plan_commit(struct cert_plan *p, char error[CERT_ERROR]);
/* Everything back as it was before cert_plan_commit(). OK, or INVALID with one sentence that says what could not be. */
int cert_plan_undo(struct cert_plan *p, char error[CERT_ERROR]);
void cert_plan_close(struct cert_plan *p); /* what was not committed goes, and what was kept aside */

#endif
