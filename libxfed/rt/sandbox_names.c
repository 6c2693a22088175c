/* What a sandbox will let the service use. Apart from what enters it, because xfedctl reads files too and has none. */
#include "rt/sandbox_internal.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "xfed/mem.h"

struct sandbox_names sandbox_names;

static bool is_named(const struct stat *st, enum rt_sandbox_use use)
{
	for (size_t i = 0; i < sandbox_names.count; i++) {
		const struct sandbox_place *p = &sandbox_names.places[i];
		if (p->dev == st->st_dev && p->ino == st->st_ino && p->use == use) {
			return true;
		}
	}
	return false;
}

/* `path` is resolved. */
static int add(const char *path, enum rt_sandbox_use use)
{
	struct sandbox_names *n = &sandbox_names;
	struct stat st;
	if (stat(path, &st) != 0 || is_named(&st, use)) {
		return XFED_OK;
	}
	if (n->count == n->size) {
		size_t size = n->size > 0 ? 2 * n->size : 32;
		struct sandbox_place *places = xfed_realloc(n->places, size * sizeof(*places));
		if (!places) {
			return XFED_ERR_NOMEM;
		}
		n->places = places;
		n->size = size;
	}
	const char *copy = xfed_strdup(path);
	if (!copy) {
		return XFED_ERR_NOMEM;
	}
	n->places[n->count++] =
		(struct sandbox_place){ .dev = st.st_dev, .ino = st.st_ino, .use = use, .path = copy, .is_file = !S_ISDIR(st.st_mode) };
	return XFED_OK;
}

/* Cuts off the last name; "/" stays. */
static void go_up(char *path)
{
	char *slash = strrchr(path, '/');
	slash[slash == path ? 1 : 0] = '\0';
}

/* The folder `path` is in, resolved; false: there is none. */
static bool folder_of(const char *path, char out[PATH_MAX])
{
	char dir[PATH_MAX];
	if (path[0] != '/' || strlen(path) >= sizeof(dir)) {
		return false;
	}
	strcpy(dir, path);
	go_up(dir);
	return realpath(dir, out) != NULL;
}

void rt_sandbox_name(const char *path, enum rt_sandbox_use use)
{
	struct stat st;
	char target[PATH_MAX], folder[PATH_MAX];
	bool is_there = realpath(path, target) != NULL;
	int rc = XFED_OK;
	if (is_there && stat(target, &st) == 0 && S_ISDIR(st.st_mode) && strcmp(target, "/") != 0) {
		rc = add(target, use);
	} else {
		/* Where it is, and where it leads to. */
		const char *const names[] = { path, is_there ? target : path };
		for (size_t i = 0; i < 2 && rc == XFED_OK; i++) {
			bool has_folder = folder_of(names[i], folder);
			bool is_root = has_folder && strcmp(folder, "/") == 0;
			rc = is_root && is_there ? add(target, use) : has_folder && !is_root ? add(folder, use) : XFED_OK;
		}
	}
	if (sandbox_names.rc == XFED_OK) {
		sandbox_names.rc = rc;
	}
}

void rt_sandbox_name_port(uint16_t port)
{
	struct sandbox_names *n = &sandbox_names;
	if (n->port_count < XFED_ARRAY_LEN(n->ports)) {
		n->ports[n->port_count++] = port;
	} else if (n->rc == XFED_OK) {
		n->rc = XFED_ERR_LIMIT;
	}
}

/* As the kernel judges: the file itself, and every folder above it, whatever their names were when they were named. */
bool rt_sandbox_is_outside(const char *path)
{
	char at[PATH_MAX];
	struct stat st;
	if (!sandbox_names.is_in_force || (!realpath(path, at) && !folder_of(path, at))) {
		return false;
	}
	for (;;) {
		if (stat(at, &st) == 0 &&
			(is_named(&st, RT_SANDBOX_READ) || is_named(&st, RT_SANDBOX_READ_KNOWN) || is_named(&st, RT_SANDBOX_WRITE))) {
			return false;
		}
		if (strcmp(at, "/") == 0) {
			return true;
		}
		go_up(at);
	}
}
