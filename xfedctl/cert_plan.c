#include "cert_plan.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <unistd.h>

#include "folder.h"
#include "xfed/mem.h"
#include "xfed/rt/conf.h"

static int fail(char error[CERT_ERROR], const char *path, const char *what)
{
	char words[96];
	snprintf(error, CERT_ERROR, "%.300s: %s: %s", path, what, rt_errno_words(errno, words));
	return XFED_ERR_INVALID;
}

void cert_plan_init(struct cert_plan *p, uid_t uid, gid_t gid)
{
	*p = (struct cert_plan){ .uid = uid, .gid = gid, .file_bytes = CERT_FILE_BYTES };
}

/* Of the directory that is open, and not of its name: whoever may write somewhere below can make that a link at any time. */
static int check_folder(const struct cert_plan *p, const char *path, int dir, char error[CERT_ERROR])
{
	if (p->folder && !folder_has_open(p->folder, dir)) {
		snprintf(error, CERT_ERROR, "%.300s is a link, or in one, that leads to what is not below %.300s", path, p->folder);
		return XFED_ERR_INVALID;
	}
	return XFED_OK;
}

static int make_dir(struct cert_plan *p, const char *path, int parent, const char *name, mode_t mode, char error[CERT_ERROR])
{
	if (mkdirat(parent, name, mode) != 0) {
		return errno == EEXIST ? XFED_OK : fail(error, path, "cannot be made");
	}
	snprintf(p->made[p->made_count++], sizeof(p->made[0]), "%s", path);
	int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	int rc = fd >= 0 && fchmod(fd, mode) == 0 ? XFED_OK : fail(error, path, "its mode cannot be set");
	if (fd >= 0) {
		close(fd);
	}
	return rc;
}

int cert_plan_dir(struct cert_plan *p, const char *dir, mode_t mode, char error[CERT_ERROR])
{
	char copy[PATH_MAX];
	if (p->made_count == CERT_PLAN_DIRS) {
		snprintf(error, CERT_ERROR, "%.300s: more than %d directories to be made", dir, CERT_PLAN_DIRS);
		return XFED_ERR_INVALID;
	}
	snprintf(copy, sizeof(copy), "%s", dir);
	int parent = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int rc = parent < 0 ? fail(error, dir, "cannot be made") : check_folder(p, dir, parent, error);
	snprintf(copy, sizeof(copy), "%s", dir);
	rc = rc == XFED_OK ? make_dir(p, dir, parent, basename(copy), mode, error) : rc;
	if (parent >= 0) {
		close(parent);
	}
	return rc;
}

static struct save_owner owner_of(const struct cert_plan *p, enum cert_plan_kind kind)
{
	switch (kind) {
	case CERT_PLAN_PUBLIC:
		return (struct save_owner){ .is_given = true, .uid = geteuid(), .gid = getegid(), .mode = 0644 };
	case CERT_PLAN_KEY:
		return (struct save_owner){ .is_given = true, .uid = p->uid, .gid = p->gid, .mode = 0600, .kept = 0040 };
	case CERT_PLAN_ROOT:
		return (struct save_owner){ .is_given = true, .uid = geteuid(), .gid = getegid(), .mode = 0600 };
	case CERT_PLAN_TEXT:
		break;
	}
	return (struct save_owner){ .is_given = false };
}

/* One more, read as it is now. */
static int open_file(struct cert_plan *p, const char *path, bool is_plain, struct cert_plan_file **out, bool *exists, char error[CERT_ERROR])
{
	char text[SAVE_ERROR];
	struct cert_plan_file *files = xfed_realloc(p->files, (p->count + 1) * sizeof(*files));
	if (!files) {
		return XFED_ERR_NOMEM;
	}
	p->files = files;
	struct cert_plan_file *f = *out = &files[p->count++];
	*f = (struct cert_plan_file){ .save = { .dir = -1, .link_dir = -1 } };
	int rc = (is_plain ? save_open_plain : save_open)(&f->save, path, p->file_bytes, &f->was, text);
	*exists = rc == XFED_OK;
	if (rc != XFED_OK && rc != XFED_ERR_NOT_FOUND) {
		snprintf(error, CERT_ERROR, "%s", text);
		return rc;
	}
	rc = check_folder(p, path, f->save.dir, error);
	return rc == XFED_OK && f->save.link_dir >= 0 ? check_folder(p, path, f->save.link_dir, error) : rc;
}

static int prepare(struct cert_plan *p, struct cert_plan_file *f, struct xfed_span text, enum cert_plan_kind kind, char error[CERT_ERROR])
{
	char words[SAVE_ERROR];
	f->save.owner = owner_of(p, kind);
	int rc = save_prepare(&f->save, text, words);
	if (rc != XFED_OK) {
		snprintf(error, CERT_ERROR, "%s", words);
	}
	return rc;
}

int cert_plan_add(struct cert_plan *p, const char *path, struct xfed_span text, enum cert_plan_kind kind, char error[CERT_ERROR])
{
	struct cert_plan_file *f;
	bool exists;
	int rc = open_file(p, path, false, &f, &exists, error);
	return rc == XFED_OK ? prepare(p, f, text, kind, error) : rc;
}

int cert_plan_add_marked(struct cert_plan *p, const char *path, struct xfed_span text, const char *mark, char error[CERT_ERROR])
{
	struct cert_plan_file *f;
	bool exists;
	int rc = open_file(p, path, true, &f, &exists, error);
	struct xfed_span was = rc == XFED_OK ? xfed_buf_span(&f->was) : XFED_SPAN("");
	if (rc == XFED_OK && exists && (f->save.was.st_uid != geteuid() || !xfed_span_is(xfed_span_cut(&was, '\n'), mark))) {
		snprintf(error, CERT_ERROR, "%.300s: there is another file already, which is not replaced", path);
		rc = XFED_ERR_INVALID;
	}
	return rc == XFED_OK ? prepare(p, f, text, CERT_PLAN_ROOT, error) : rc;
}

int cert_plan_remove(struct cert_plan *p, const char *path, char error[CERT_ERROR])
{
	struct cert_plan_file *f;
	bool exists;
	int rc = open_file(p, path, false, &f, &exists, error);
	if (rc == XFED_OK) {
		f->is_gone = exists;
		f->is_done = !exists;
	}
	return rc;
}

/* ---- into their places, and out of them ---- */

static void block_signals(struct cert_plan *p)
{
	sigset_t ends;
	sigemptyset(&ends);
	sigaddset(&ends, SIGINT);
	sigaddset(&ends, SIGTERM);
	sigaddset(&ends, SIGHUP);
	p->is_blocking = sigprocmask(SIG_BLOCK, &ends, &p->before) == 0;
}

/* What changes: the file where it really lies, or the name by which it is taken away. */
static int place_of(const struct cert_plan_file *f, char name[NAME_MAX + 1])
{
	if (f->is_gone) {
		return save_entry(&f->save, name);
	}
	snprintf(name, NAME_MAX + 1, "%s", f->save.name);
	return f->save.dir;
}

/* A second name for the old one, so that bringing it back needs no room on the disk. */
static int keep_aside(struct cert_plan_file *f, size_t number, char error[CERT_ERROR])
{
	char name[NAME_MAX + 1];
	if (f->save.is_new) {
		return XFED_OK;
	}
	snprintf(f->aside, sizeof(f->aside), ".xfedctl-old-%d-%zu", (int)getpid(), number);
	int dir = place_of(f, name);
	if (linkat(dir, name, dir, f->aside, 0) != 0) { /* of a link that itself */
		f->aside[0] = '\0';
		return fail(error, f->save.path, "cannot be kept aside");
	}
	return XFED_OK;
}

static int put(struct cert_plan_file *f, size_t number, char error[CERT_ERROR])
{
	char words[SAVE_ERROR];
	int rc = keep_aside(f, number, error);
	if (rc == XFED_OK && save_commit(&f->save, xfed_buf_span(&f->was), words) != XFED_OK) {
		snprintf(error, CERT_ERROR, "%s", words);
		rc = XFED_ERR_INVALID;
	}
	f->is_done = f->save.is_changed; /* also where only its way to the disk failed: it has to come back then */
	return rc;
}

int cert_plan_commit(struct cert_plan *p, char error[CERT_ERROR])
{
	char again[CERT_ERROR];
	int rc = XFED_OK;
	block_signals(p);
	for (size_t i = 0; rc == XFED_OK && i < p->count; i++) {
		rc = p->files[i].is_done ? XFED_OK : put(&p->files[i], i, error);
	}
	if (rc != XFED_OK && cert_plan_undo(p, again) != XFED_OK) {
		size_t len = strlen(error);
		snprintf(error + len, CERT_ERROR - len, "; and %.500s", again);
	}
	return rc;
}

static int put_back(struct cert_plan_file *f, char error[CERT_ERROR])
{
	char name[NAME_MAX + 1];
	int ret = 0, dir = place_of(f, name);
	if (f->aside[0]) {
		ret = renameat(dir, f->aside, dir, name);
	} else if (f->save.is_new) {
		ret = unlinkat(dir, name, 0);
	}
	if (ret != 0) {
		return fail(error, f->save.path, "cannot be put back as it was");
	}
	f->aside[0] = '\0';
	f->is_done = false;
	return fsync(dir) == 0 ? XFED_OK : fail(error, f->save.path, "cannot be put back as it was");
}

int cert_plan_undo(struct cert_plan *p, char error[CERT_ERROR])
{
	int rc = XFED_OK;
	for (size_t i = p->count; i-- > 0;) {
		struct cert_plan_file *f = &p->files[i];
		if (f->is_done && (f->aside[0] || f->save.is_new) && put_back(f, error) != XFED_OK) {
			rc = XFED_ERR_INVALID;
		}
	}
	return rc;
}

void cert_plan_close(struct cert_plan *p)
{
	for (size_t i = 0; i < p->count; i++) {
		struct cert_plan_file *f = &p->files[i];
		char name[NAME_MAX + 1];
		if (f->aside[0] && f->save.dir >= 0) {
			unlinkat(place_of(f, name), f->aside, 0);
		}
		save_close(&f->save);
		xfed_buf_wipe(&f->was);
	}
	xfed_free(p->files);
	while (p->made_count > 0) {
		(void)rmdir(p->made[--p->made_count]); /* which fails, as it is meant to, where there is something in it */
	}
	if (p->is_blocking) {
		sigprocmask(SIG_SETMASK, &p->before, NULL);
	}
	*p = (struct cert_plan){ 0 };
}
