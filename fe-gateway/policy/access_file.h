/*
 * access.d: which local users may use federation at all. One rule per file, named after its name in lower case. A rule for a user overrides
 * one for its site, and that the global one; without any file everyone may; with files, a user that none covers may not. The rule that
 * decides about a user has two switches, federation and xmpp, which both have to be on; what other rules say of them does not count.
 */
#ifndef GATEWAY_POLICY_ACCESS_FILE_H
#define GATEWAY_POLICY_ACCESS_FILE_H

#include "config/config.h"
#include "policy/broken.h"
#include "policy/policy_dir.h"
#include "xfed/jid.h"
#include "xfed/rt/conf.h"

#define ACCESS_FILES_MAX	  1000
#define ACCESS_GRANTED_FILE_BYTES (16 * 1024 * 1024)

extern const struct rt_conf_table access_file_table;

/* A check for rows, and for lines of a granted_to_file: the bare address of a user, normalised. */
int access_convert_user(struct xfed_arena *a, struct xfed_span in, struct xfed_span *out, const char **accepted);

struct access_set;

enum access_scope { ACCESS_GLOBAL, ACCESS_SITE, ACCESS_USER };

/* One file, as people are shown it. */
struct access_rule {
	const char *name, *file; /* of one that is broken, the file's name */
	enum access_scope scope;
	bool federation, xmpp;
	bool is_broken;			   /* then nothing below is known for certain */
	struct rt_conf_strings granted_to; /* scope user */
	const char *granted_to_file;	   /* NULL: none */
	size_t named_in_file;		   /* addresses in it */
	struct rt_conf_strings domains;	   /* scope site */
	const struct access_rule *next;	   /* in the order of the files' names */
};

/*
 * Loads the whole directory. With `broken`, at a start, a file that cannot be loaded does not stop the start: users it may be about are
 * refused, and the file is added to `broken`. `may_be_missing`: a directory that does not exist counts as empty; only for a path that was
 * not configured (!rt_conf_is_set(&config->base.doc, config, "access_dir")), since a mistyped path must not let everyone in. XFED_OK: the
 * caller releases `*out` with access_set_free(). INVALID (`errors` say why) and NOMEM leave it NULL. `instead` may be NULL.
 */
int access_dir_load(const char *dir, bool may_be_missing, struct policy_instead *instead, struct policy_broken *broken, struct rt_conf_errors *errors,
	struct access_set **out);
void access_set_free(struct access_set *s);
/* Warns of each user and site that is of no domain of the configuration: it may be a slip of the hand. */
void access_set_warn(const struct access_set *s, const struct config *c, struct rt_conf_errors *errors);

/*
 * Adds one file to a set made by access_set_new(); for the directory loader and tests. After INVALID every user it names is refused; where
 * it cannot be read as a whole, also every user that no valid rule of its scope, or of a narrower one, names.
 */
int access_set_new(struct access_set **out);
int access_set_add(struct access_set *s, const char *file, struct xfed_span text, struct rt_conf_errors *errors);
/* Of what is judged before it is in its place: where the granted_to_file `path` of the rules to be added is read; `path` itself where it is. */
typedef const char *access_list_fn(void *user, const char *path);
struct access_lists {
	access_list_fn *where;
	void *user;
};
void access_set_lists(struct access_set *s, access_list_fn *where, void *user);

/*
 * Whether the local user (a normalised bare JID; a domain alone is judged by the site and global rules) may use federation: NONE,
 * policy.access.user or policy.access.broken. `*rule` becomes the rule that decided, or NULL where none did; it lives as long as the set.
 */
enum xfed_reason access_set_judge(const struct access_set *s, const struct xfed_jid *user, const struct access_rule **rule);

const struct access_rule *access_set_rules(const struct access_set *s); /* the first; NULL: none, and everyone may */
const char *access_rule_off(const struct access_rule *r);		/* "xmpp is off"; NULL: both are on */

#endif
