/*
 * Who may use the panel: the lines of panel.users_file.
 *
 *   NAME:ROLE:HASH     signs in with a password; HASH as crypt(5) has it (yescrypt), ROLE admin or reader
 *   cert:NAME:ROLE     shows a certificate of panel.client_ca whose common name that is
 *
 * Empty lines and those that begin with # are passed over.
 */
#ifndef GATEWAY_CONFIG_PANEL_USERS_H
#define GATEWAY_CONFIG_PANEL_USERS_H

#include "xfed/rt/conf.h"

#define PANEL_USERS_BYTES (1024 * 1024)
#define PANEL_USERS_MAX	  1000
#define PANEL_USER_NAME	  65 /* with its NUL */

struct panel_user {
	const char *name;
	const char *hash; /* NULL: by a certificate */
	bool is_admin;
};

struct panel_users {
	struct panel_user *items; /* sorted: by certificate before by password, then by name */
	size_t count;
};

/* Neither empty nor too long, UTF-8 without control characters, blanks at its ends, or ":"; and not "cert". */
bool panel_user_name_is_fine(struct xfed_span name);
/* One line. NOT_FOUND: it is empty, or a remark. INVALID, with a phrase in `*accepted`. The spans point into it. */
struct panel_user_line {
	struct xfed_span name, hash;
	bool is_certificate, is_admin;
};
int panel_user_line(struct xfed_span line, struct panel_user_line *out, const char **accepted);

/* OK, also for a file without anybody; INVALID: `errors` say why; NOMEM. All is in `arena`. */
int panel_users_parse(struct xfed_arena *arena, const char *file, struct xfed_span text, struct rt_conf_errors *errors, struct panel_users *out);
const struct panel_user *panel_users_find(const struct panel_users *u, bool is_certificate, struct xfed_span name); /* NULL: there is none */

#endif
