/* Reads the files of a policy directory, in the order of their names. */
#ifndef GATEWAY_POLICY_POLICY_DIR_H
#define GATEWAY_POLICY_POLICY_DIR_H

#include "xfed/rt/conf.h"

/* One file is read from elsewhere: what a change would make of it, before it is made. */
struct policy_instead {
	const char *file; /* as the configuration, or the directory it names, has it */
	const char *with; /* NULL: as if there were no such file */
	bool is_used;
};
/* Where to read `path`; NULL: nowhere. `i` NULL: where it is. */
const char *policy_instead_of(struct policy_instead *i, const char *path);

struct policy_dir_user {
	const char *key;		/* the key of the configuration that names the directory */
	struct policy_instead *instead; /* NULL: none */
	/* Takes one file. INVALID, with errors added: it cannot be loaded. */
	int (*each)(void *user, const char *file, struct xfed_span text);
	/*
	 * Takes a file that cannot be loaded, without text where it cannot even be read. Its errors are those behind the first `before`. NULL: see
	 * below.
	 */
	int (*broken)(void *user, const char *file, struct xfed_span text, size_t before);
};

/*
 * Calls `u->each` for every file of `dir` whose name ends in .yaml; hidden files are left alone, and names that look like a mistake are
 * warned of. A file that cannot be read is an error, and the others still follow. NOMEM and the like stop it, and are returned; INVALID
 * does not stop it. Returns INVALID when `dir` cannot be read or has more than `max` files, and, without `u->broken`, when errors were
 * added.
 */
int policy_dir_each(const char *dir, size_t max, struct rt_conf_errors *errors, const struct policy_dir_user *u, void *user, size_t *count);

/* Names for the sandbox where the symbolic links in a directory lead. A directory that cannot be read has none. */
void policy_dir_name_links(const char *dir);

/* Finds a file of `dir` that was most likely meant to be NAME.yaml: one with that name and another ending, or NAME itself. False: none. Blocks. */
bool policy_dir_find_stray(const char *dir, struct xfed_span name, char out[512]);

struct xfed_span policy_dir_name(const char *file);		   /* NAME of .../NAME.yaml */
bool policy_dir_is_named(const char *file, struct xfed_span name); /* that is `name` */

#endif
