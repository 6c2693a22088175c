/*
 * The last changes and failed logins, for `audit list`: who, from where, what, and what came of it. Kept in memory until the process ends;
 * the log has them all (event=audit...). Both kinds have places of their own, so that whoever guesses passwords pushes out no change.
 * One for a process, as the log; from the loop's thread only.
 */
#ifndef XFED_RT_AUDIT_H
#define XFED_RT_AUDIT_H

#include "xfed/rt/command.h"

enum rt_audit_kind { RT_AUDIT_CHANGE, RT_AUDIT_LOGIN, RT_AUDIT_KINDS };

/* Cut to its first bytes each, see XFED_AUDIT_TEXT_BYTES; without memory it is left out, and counted. */
struct rt_audit {
	const char *who, *from; /* a login, or "uid 1000"; an address, or "control socket" */
	const char *what;	/* "partner set fabrikam.example tls=optional" */
	const char *result;	/* "ok", or the code of a failed command */
};
void rt_audit_add(enum rt_audit_kind kind, const struct rt_audit *a);

/*
 * The same of a command that changes something. `args` may be NULL; what they say of who has typed what, and from where (of change finish)
 * counts more than `who` and `from`. Of a change of a file in steps its end alone is kept, or the step that failed; of a trial nothing.
 */
void rt_audit_add_command(const struct rt_command *c, const json_t *args, const char *who, const char *from, const char *result);

/* Answers audit list. */
void rt_audit_list(struct rt_reply reply, const json_t *args);
void rt_audit_clear(void); /* frees all; at the end of the process, and for tests */

#endif
