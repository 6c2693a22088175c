#include "place.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
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
	*p = (struct place){ .options = o, .dir = -1 };
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

int place_begin(struct place *p)
{
	int fd = save_new_hidden(p->dir, p->temporary);
	if (fd < 0) {
		place_fail(p->options, p->path, "nothing can be written there");
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
	if (p->dir >= 0) {
		close(p->dir);
	}
	p->dir = -1;
}
