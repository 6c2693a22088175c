#include "save.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "xfed/rt/conf.h"

static int fail(char error[SAVE_ERROR], const char *path, const char *what)
{
	char words[96];
	snprintf(error, SAVE_ERROR, "%.300s: %s: %s", path, what, rt_errno_words(errno, words));
	return XFED_ERR_INVALID;
}

/* ---- what is there ---- */

/* Where it really lies: a link is followed, a file that is not there yet lies in its directory. */
static int find(struct save *s, const char *file, char error[SAVE_ERROR])
{
	char copy[PATH_MAX];
	struct stat st;
	s->is_new = lstat(file, &st) != 0 && errno == ENOENT;
	snprintf(copy, sizeof(copy), "%s", file);
	if (!realpath(s->is_new ? dirname(copy) : file, s->path)) {
		return fail(error, s->is_new ? copy : file, s->is_new ? "nothing can be written there" : "cannot be found");
	}
	if (s->is_new) {
		size_t len = strlen(s->path);
		snprintf(copy, sizeof(copy), "%s", file);
		snprintf(s->path + len, sizeof(s->path) - len, "/%s", basename(copy));
	}
	snprintf(copy, sizeof(copy), "%s", s->path);
	snprintf(s->name, sizeof(s->name), "%.255s", basename(copy));
	snprintf(copy, sizeof(copy), "%s", s->path);
	s->dir = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->dir >= 0 && !s->is_new && S_ISLNK(st.st_mode)) {
		snprintf(copy, sizeof(copy), "%s", s->file);
		s->link_dir = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		return s->link_dir >= 0 ? XFED_OK : fail(error, copy, "cannot be opened");
	}
	return s->dir >= 0 ? XFED_OK : fail(error, copy, "cannot be opened");
}

static int read_text(const struct save *s, struct stat *st, struct xfed_buf *text, char error[SAVE_ERROR])
{
	int fd = openat(s->dir, s->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 || fstat(fd, st) != 0) {
		int rc = fail(error, s->path, "cannot be read");
		if (fd >= 0) {
			close(fd);
		}
		return rc;
	}
	ssize_t n = 1;
	int rc = XFED_OK;
	if (!S_ISREG(st->st_mode)) {
		snprintf(error, SAVE_ERROR, "%.300s: is no regular file", s->path);
		close(fd);
		return XFED_ERR_INVALID;
	}
	while (n > 0 && rc == XFED_OK) {
		char chunk[16384];
		n = read(fd, chunk, sizeof(chunk));
		rc = n > 0 ? xfed_buf_append(text, xfed_span_make(chunk, (size_t)n)) : XFED_OK;
	}
	if (n < 0) {
		rc = fail(error, s->path, "cannot be read");
	} else if (rc != XFED_OK) {
		snprintf(error, SAVE_ERROR, "%.300s: larger than %zu bytes", s->path, s->max);
		rc = XFED_ERR_INVALID;
	}
	close(fd);
	return rc;
}

int save_open(struct save *s, const char *file, size_t max, struct xfed_buf *text, char error[SAVE_ERROR])
{
	*s = (struct save){ .dir = -1, .link_dir = -1, .max = max };
	snprintf(s->file, sizeof(s->file), "%s", file);
	xfed_buf_init(text, max);
	int rc = find(s, file, error);
	if (rc == XFED_OK && s->is_new) {
		return XFED_ERR_NOT_FOUND;
	}
	return rc == XFED_OK ? read_text(s, &s->was, text, error) : rc;
}

int save_open_plain(struct save *s, const char *file, size_t max, struct xfed_buf *text, char error[SAVE_ERROR])
{
	char name[PATH_MAX], dir[PATH_MAX];
	*s = (struct save){ .dir = -1, .link_dir = -1, .max = max };
	xfed_buf_init(text, max);
	snprintf(name, sizeof(name), "%s", file);
	snprintf(dir, sizeof(dir), "%s", file);
	if (strlen(file) >= PATH_MAX || strlen(basename(name)) > NAME_MAX) {
		errno = ENAMETOOLONG;
		return fail(error, file, "nothing can be written there");
	}
	snprintf(s->file, sizeof(s->file), "%s", file);
	snprintf(s->path, sizeof(s->path), "%s", file);
	snprintf(name, sizeof(name), "%s", file);
	snprintf(s->name, sizeof(s->name), "%.255s", basename(name));
	s->dir = open(dirname(dir), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->dir < 0) {
		return fail(error, dir, "nothing can be written there");
	}
	s->is_new = fstatat(s->dir, s->name, &s->was, AT_SYMLINK_NOFOLLOW) != 0 && errno == ENOENT;
	if (s->is_new) {
		return XFED_ERR_NOT_FOUND;
	}
	snprintf(error, SAVE_ERROR, "%.300s: there is another file already, which is not replaced", file);
	errno = 0;
	return S_ISREG(s->was.st_mode) ? read_text(s, &s->was, text, error) : XFED_ERR_INVALID;
}

/* ---- the new one ---- */

static const char *owner(uid_t uid, char out[64])
{
	const struct passwd *p = getpwuid(uid);
	if (p) {
		snprintf(out, 64, "%.60s", p->pw_name);
	} else {
		snprintf(out, 64, "user %u", (unsigned)uid);
	}
	return out;
}

/* Access lists and labels; those that the kernel keeps for itself are its own business. */
static int copy_attributes(const struct save *s, int to, char error[SAVE_ERROR])
{
	char names[4096], value[4096];
	int from = openat(s->dir, s->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (from < 0) {
		return fail(error, s->path, "cannot be read");
	}
	ssize_t len = flistxattr(from, names, sizeof(names));
	int rc = len < 0 && errno != ENOTSUP ? fail(error, s->path, "its attributes cannot be read") : XFED_OK;
	for (const char *name = names; rc == XFED_OK && len > 0 && name < names + len; name += strlen(name) + 1) {
		bool is_kernels = strncmp(name, "security.", 9) == 0 || strncmp(name, "trusted.", 8) == 0;
		ssize_t n = fgetxattr(from, name, value, sizeof(value));
		if ((n < 0 || fsetxattr(to, name, value, (size_t)n, 0) != 0) && !is_kernels) {
			rc = fail(error, s->path, "its access list cannot be kept");
		}
	}
	close(from);
	return rc;
}

static int give_to(const struct save *s, int fd, char error[SAVE_ERROR])
{
	const struct save_owner *o = &s->owner;
	if (fchown(fd, o->uid, o->gid) != 0) {
		return fail(error, s->path, "it cannot be given to whom it is for");
	}
	return fchmod(fd, o->mode) == 0 ? XFED_OK : fail(error, s->path, "its mode cannot be set");
}

/* Of a new file: the group of the directory, and what that lets people do, but for writing by everybody. */
static int give_away_new(const struct save *s, int fd, char error[SAVE_ERROR])
{
	struct stat dir;
	if (s->owner.is_given) {
		return give_to(s, fd, error);
	}
	if (fstat(s->dir, &dir) != 0) {
		return fail(error, s->path, "its directory cannot be used");
	}
	mode_t mode = (dir.st_mode & 0664) | 0600;
	bool is_group = fchown(fd, (uid_t)-1, dir.st_gid) == 0;
	return fchmod(fd, is_group ? mode : mode & ~(mode_t)0060) == 0 ? XFED_OK : fail(error, s->path, "its mode cannot be set");
}

/*
 * A secret is not for whoever came to have the old file: its access list does not survive, its owner only where that is who asks or whom it
 * is for, its group only where it is the one of the latter.
 */
static int give_away_secret(const struct save *s, int fd, char error[SAVE_ERROR])
{
	const struct save_owner *o = &s->owner;
	bool is_kept = o->kept != 0 && s->was.st_gid == o->gid && (s->was.st_uid == o->uid || s->was.st_uid == geteuid());
	if (!is_kept) {
		return give_to(s, fd, error);
	}
	if (fchown(fd, s->was.st_uid, s->was.st_gid) != 0) {
		return fail(error, s->path, "it cannot be given to whom it is for");
	}
	return fchmod(fd, s->was.st_mode & (o->mode | o->kept)) == 0 ? XFED_OK : fail(error, s->path, "its mode cannot be set");
}

static int give_away(const struct save *s, int fd, char error[SAVE_ERROR])
{
	char name[64];
	struct stat now;
	if (s->is_new) {
		return give_away_new(s, fd, error);
	}
	if (s->owner.is_given && (s->owner.mode & 077) == 0) {
		return give_away_secret(s, fd, error);
	}
	bool is_kept = fstat(fd, &now) == 0 &&
		       ((now.st_uid == s->was.st_uid && now.st_gid == s->was.st_gid) || fchown(fd, s->was.st_uid, s->was.st_gid) == 0);
	if (!is_kept) {
		snprintf(error, SAVE_ERROR, "%.300s belongs to %s, which cannot be kept: ask as root, or as that user", s->path,
			owner(s->was.st_uid, name));
		return XFED_ERR_INVALID;
	}
	int rc = copy_attributes(s, fd, error);
	mode_t others = s->owner.is_given ? s->owner.mode & 07 : 07;
	return rc == XFED_OK && fchmod(fd, s->was.st_mode & (0770 | others)) != 0 ? fail(error, s->path, "its mode cannot be kept") : rc;
}

int save_new_hidden(int dir, const char *prefix, char name[SAVE_HIDDEN])
{
	uint64_t number;
	name[0] = '\0';
	if (getrandom(&number, sizeof(number), 0) != sizeof(number)) {
		return -1;
	}
	snprintf(name, SAVE_HIDDEN, "%s%016llx", prefix, (unsigned long long)number);
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0) {
		name[0] = '\0';
	}
	return fd;
}

bool save_bytes(int fd, struct xfed_span bytes)
{
	while (bytes.len > 0) {
		ssize_t n = write(fd, bytes.data, bytes.len);
		if (n < 0 && errno != EINTR) {
			return false;
		}
		size_t done = n > 0 ? (size_t)n : 0;
		bytes = xfed_span_make(bytes.data + done, bytes.len - done);
	}
	return true;
}

static int write_all(const struct save *s, int fd, struct xfed_span text, char error[SAVE_ERROR])
{
	return save_bytes(fd, text) && fsync(fd) == 0 ? XFED_OK : fail(error, s->path, "cannot be written, and is as it was");
}

static int make_temporary(struct save *s, char error[SAVE_ERROR])
{
	char copy[PATH_MAX];
	snprintf(copy, sizeof(copy), "%s", s->path);
	int fd = save_new_hidden(s->dir, ".xfedctl-", s->temporary_name);
	if (fd < 0) {
		fail(error, dirname(copy), "nothing can be written there");
	} else if (snprintf(s->temporary, sizeof(s->temporary), "%s/%s", dirname(copy), s->temporary_name) >= (int)sizeof(s->temporary)) {
		snprintf(error, SAVE_ERROR, "%.300s: the path is too long", s->path);
		close(fd);
		fd = -1;
	}
	return fd;
}

int save_prepare(struct save *s, struct xfed_span text, char error[SAVE_ERROR])
{
	int fd = make_temporary(s, error);
	if (fd < 0) {
		return XFED_ERR_INVALID;
	}
	int rc = give_away(s, fd, error);
	rc = rc == XFED_OK ? write_all(s, fd, text, error) : rc;
	if (close(fd) != 0 && rc == XFED_OK) {
		rc = fail(error, s->path, "cannot be written, and is as it was");
	}
	return rc;
}

/* ---- in its place ---- */

static int changed_meanwhile(const struct save *s, char error[SAVE_ERROR])
{
	snprintf(error, SAVE_ERROR, "%.300s: somebody else has changed it meanwhile; look at it, and say it again", s->path);
	return XFED_ERR_INVALID;
}

static int check_unchanged(const struct save *s, struct xfed_span was, char error[SAVE_ERROR])
{
	struct xfed_buf now;
	struct stat st;
	xfed_buf_init(&now, s->max);
	int rc = read_text(s, &st, &now, error);
	bool is_same = rc == XFED_OK && st.st_ino == s->was.st_ino && xfed_span_eq(xfed_buf_span(&now), was);
	xfed_buf_deinit(&now);
	return is_same ? XFED_OK : changed_meanwhile(s, error);
}

static int put(struct save *s, char error[SAVE_ERROR])
{
	unsigned flags = s->is_new ? RENAME_NOREPLACE : 0;
	if (renameat2(s->dir, s->temporary_name, s->dir, s->name, flags) != 0) {
		return errno == EEXIST ? changed_meanwhile(s, error) : fail(error, s->path, "cannot be put in its place, and is as it was");
	}
	s->temporary_name[0] = '\0';
	return XFED_OK;
}

int save_entry(const struct save *s, char name[NAME_MAX + 1])
{
	char copy[PATH_MAX];
	snprintf(copy, sizeof(copy), "%s", s->file);
	snprintf(name, NAME_MAX + 1, "%s", s->link_dir >= 0 ? basename(copy) : s->name);
	return s->link_dir >= 0 ? s->link_dir : s->dir;
}

int save_commit(struct save *s, struct xfed_span was, char error[SAVE_ERROR])
{
	char name[NAME_MAX + 1];
	int dir = s->dir, rc = s->is_new ? XFED_OK : check_unchanged(s, was, error);
	if (rc == XFED_OK && s->temporary_name[0]) {
		rc = put(s, error);
	} else if (rc == XFED_OK) {
		dir = save_entry(s, name);
		rc = unlinkat(dir, name, 0) == 0 ? XFED_OK : fail(error, s->file, "cannot be removed");
	}
	s->is_changed = rc == XFED_OK;
	return rc == XFED_OK && fsync(dir) != 0 ? fail(error, s->path, "is changed, and may be lost when the machine stops now") : rc;
}

void save_close(struct save *s)
{
	if (s->temporary_name[0]) {
		unlinkat(s->dir, s->temporary_name, 0);
	}
	if (s->dir >= 0) {
		close(s->dir);
	}
	if (s->link_dir >= 0) {
		close(s->link_dir);
	}
	*s = (struct save){ .dir = -1, .link_dir = -1 };
}
