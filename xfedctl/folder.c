#include "folder.h"

#include <errno.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "xfed/rt/conf.h"

int folder_check_owner(const char *path, char error[FOLDER_OWNER_ERROR])
{
	struct stat st;
	char words[96];
	if (stat(path, &st) != 0) {
		int err = errno;
		snprintf(error, FOLDER_OWNER_ERROR, "%.300s: %s", path, rt_errno_words(err, words));
		return err == ENOENT ? XFED_ERR_NOT_FOUND : XFED_ERR_INVALID;
	}
	if ((st.st_uid != 0 && st.st_uid != geteuid()) || (st.st_mode & 02)) {
		snprintf(error, FOLDER_OWNER_ERROR,
			"%.300s can be written to by others than root and you, and says where files are written: chown root, chmod o-w", path);
		return XFED_ERR_INVALID;
	}
	return XFED_OK;
}

static void parent_of(const char *path, char out[PATH_MAX])
{
	char copy[PATH_MAX];
	snprintf(copy, sizeof(copy), "%s", path);
	snprintf(out, PATH_MAX, "%s", dirname(copy));
}

/* Of a file that is missing, the directory is resolved. */
static void resolve(const char *file, char path[PATH_MAX])
{
	char copy[PATH_MAX], dir[PATH_MAX], real[PATH_MAX];
	if (realpath(file, path)) {
		return;
	}
	parent_of(file, dir);
	snprintf(copy, sizeof(copy), "%s", file);
	if (!realpath(dir, real) || snprintf(path, PATH_MAX, "%s/%s", real, basename(copy)) >= PATH_MAX) {
		snprintf(path, PATH_MAX, "%s", file);
	}
}

void folder_of(const char *config, char path[PATH_MAX], char dir[PATH_MAX])
{
	char copy[PATH_MAX];
	resolve(config, path);
	parent_of(path, dir);
	snprintf(copy, sizeof(copy), "%s", dir);
	const char *name = basename(copy);
	if (strcmp(name, "edge") == 0 || strcmp(name, "gateway") == 0) {
		parent_of(dir, copy);
		snprintf(dir, PATH_MAX, "%s", copy);
	}
}

void folder_tidy(const char *path, char out[PATH_MAX])
{
	size_t len = 0;
	for (; *path && len < PATH_MAX - 1; path++) {
		bool is_dot = path[0] == '.' && len > 0 && out[len - 1] == '/' && (path[1] == '/' || path[1] == '\0');
		bool is_slash_again = path[0] == '/' && len > 0 && out[len - 1] == '/';
		if (!is_dot && !is_slash_again) {
			out[len++] = *path;
		}
	}
	while (len > 1 && out[len - 1] == '/') {
		len--;
	}
	out[len] = '\0';
}

bool folder_has(const char *dir, const char *path)
{
	size_t len = strlen(dir), all = strlen(path);
	bool goes_up = strstr(path, "/../") || (all >= 3 && strcmp(path + all - 3, "/..") == 0);
	return !goes_up && strncmp(path, dir, len) == 0 && path[len] == '/';
}

bool folder_really_has(const char *dir, const char *path)
{
	char real[PATH_MAX];
	return folder_has(dir, path) && realpath(path, real) && folder_has(dir, real);
}

bool folder_has_open(const char *dir, int fd)
{
	char link[64], real[PATH_MAX];
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	ssize_t len = readlink(link, real, sizeof(real) - 1);
	if (len < 0) {
		return false;
	}
	real[len] = '\0';
	return strcmp(real, dir) == 0 || folder_has(dir, real);
}
