#include "place.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum ctl_exit place_fail(const struct ctl_options *o, const char *path, const char *what)
{
	char text[PATH_MAX + 256];
	snprintf(text, sizeof(text), "%s: %s: %s", path, what, strerror(errno));
	return ctl_refuse(o, text);
}

enum ctl_exit place_open(const struct ctl_options *o, const char *path, struct place *p)
{
	char copy[PATH_MAX];
	*p = (struct place){ .options = o, .dir = -1, .lock = -1 };
	snprintf(copy, sizeof(copy), "%s", path);
	if (strlen(path) >= sizeof(p->path) || strlen(basename(copy)) > NAME_MAX) {
		errno = ENAMETOOLONG;
		return place_fail(o, "FILE", "cannot be used");
	}
	snprintf(p->path, sizeof(p->path), "%s", path);
	snprintf(copy, sizeof(copy), "%s", path);
	snprintf(p->name, sizeof(p->name), "%.*s", NAME_MAX, basename(copy));
	snprintf(copy, sizeof(copy), "%s", path);
	p->dir = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return p->dir >= 0 ? CTL_FINE : place_fail(o, copy, "nothing can be written there");
}

enum ctl_exit place_check(const struct place *p, const char *mark)
{
	char head[64] = "", text[PATH_MAX + 64];
	struct stat st;
	int fd = openat(p->dir, p->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	bool is_absent = fd < 0 && errno == ENOENT;
	bool is_ours = fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && read(fd, head, sizeof(head) - 1) > 0 &&
		       strncmp(head, mark, strlen(mark)) == 0;
	if (fd >= 0) {
		close(fd);
	}
	if (!is_absent && !is_ours) {
		snprintf(text, sizeof(text), "%s: there is another file already, which is not replaced", p->path);
		return ctl_refuse(p->options, text);
	}
	return faccessat(p->dir, ".", W_OK | X_OK, AT_EACCESS) == 0 ? CTL_FINE : place_fail(p->options, p->path, "nothing can be written there");
}

#define TEMPORARY ".xfedctl-copy-"

/* Of ours, or of whom we give such files to; anybody else's is left to him. */
static void remove_left(const struct place *p, const char *name)
{
	struct stat st, dir;
	int fd = openat(p->dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	bool is_ours = fd >= 0 && fstat(fd, &st) == 0 && fstat(p->dir, &dir) == 0 && S_ISREG(st.st_mode) &&
		       (st.st_uid == geteuid() || st.st_uid == dir.st_uid);
	if (is_ours && flock(fd, LOCK_EX | LOCK_NB) == 0) {
		(void)unlinkat(p->dir, name, 0);
	}
	if (fd >= 0) {
		close(fd);
	}
}

static void remove_all_left(const struct place *p)
{
	int fd = openat(p->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	for (struct dirent *e; d && (e = readdir(d));) {
		if (strncmp(e->d_name, TEMPORARY, strlen(TEMPORARY)) == 0) {
			remove_left(p, e->d_name);
		}
	}
	if (d) {
		closedir(d);
	} else if (fd >= 0) {
		close(fd);
	}
}

/* Its lock is held by another descriptor too, so that the file may be closed while it is in use. False: it was taken for one that is left. */
static bool hold(struct place *p, int fd)
{
	struct stat st;
	p->lock = flock(fd, LOCK_EX) == 0 ? fcntl(fd, F_DUPFD_CLOEXEC, 0) : -1;
	return p->lock >= 0 && fstat(fd, &st) == 0 && st.st_nlink > 0;
}

int place_begin(struct place *p)
{
	remove_all_left(p);
	int fd = save_new_hidden(p->dir, TEMPORARY, p->temporary);
	if (fd < 0) {
		place_fail(p->options, p->path, "nothing can be written there");
	} else if (!hold(p, fd)) {
		place_fail(p->options, p->path, "somebody else writes there; say it again");
		close(fd);
		fd = -1;
	}
	return fd;
}

enum ctl_exit place_write(const struct place *p, int fd, struct xfed_span bytes)
{
	return save_bytes(fd, bytes) ? CTL_FINE : place_fail(p->options, p->path, "cannot be written");
}

enum ctl_exit place_end(struct place *p, int fd)
{
	if (fsync(fd) != 0) {
		return place_fail(p->options, p->path, "cannot be written");
	}
	if (renameat(p->dir, p->temporary, p->dir, p->name) != 0) {
		return place_fail(p->options, p->path, "cannot be put in its place");
	}
	p->temporary[0] = '\0';
	return fsync(p->dir) == 0 ? CTL_FINE : place_fail(p->options, p->path, "may be lost when the machine stops now");
}

void place_close(struct place *p)
{
	if (p->temporary[0]) {
		unlinkat(p->dir, p->temporary, 0);
	}
	if (p->lock >= 0) {
		close(p->lock);
	}
	p->lock = -1;
	if (p->dir >= 0) {
		close(p->dir);
	}
	p->dir = -1;
}
