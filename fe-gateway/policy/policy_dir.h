/* Files of a policy directory, in the order of their names. */
#ifndef GATEWAY_POLICY_POLICY_DIR_H
#define GATEWAY_POLICY_POLICY_DIR_H

#include "xfed/rt/conf.h"

/*
 * `key` is what the configuration calls the directory. Calls `each` for every file of `dir` whose name ends in .yaml; hidden files are left alone, names ending in .yml are warned
 * of. A file that cannot be read is an error and the others still come. Stops at NOMEM, which it returns; an INVALID of `each`
 * (it added errors) does not stop it. INVALID when errors were added or `dir` cannot be read, or has more than `max` files.
 */
int policy_dir_each(const char *key, const char *dir, size_t max, struct rt_conf_errors *errors,
	int (*each)(void *user, const char *file, struct xfed_span text), void *user, size_t *count);

bool policy_dir_is_named(const char *file, struct xfed_span name); /* NAME.yaml, in whatever directory */

#endif
