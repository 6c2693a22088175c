/*
 * Files of partners.d and access.d that a start has found and cannot load. They do not keep the gateway from starting: what they may be
 * about is refused, and reported by `status`, until a reload finds the file corrected. Also reported are files that are never loaded,
 * because their names do not end in .yaml. Part of policy.h.
 */
#ifndef GATEWAY_POLICY_BROKEN_H
#define GATEWAY_POLICY_BROKEN_H

#include "xfed/buf.h"
#include "xfed/rt/conf.h"

#define POLICY_BROKEN_TOLD 20 /* files with a text of their own; further ones are counted */

struct policy_broken {
	struct xfed_arena arena;
	struct policy_broken_file {
		enum xfed_reason reason;
		const char *text; /* its first error, and what is refused because of it, or what to do */
		struct policy_broken_file *next;
	} * first, *last;
	size_t count;	 /* of all files */
	int64_t since_s; /* when they were found */
};
void policy_broken_init(struct policy_broken *b);
void policy_broken_deinit(struct policy_broken *b); /* zeroed memory is fine */

/* Adds a file; its errors are those of `errors` behind the first `before`. `refused`: what is refused because of it, as a phrase. OK, NOMEM. */
int policy_broken_add(
	struct policy_broken *b, enum xfed_reason reason, const char *file, const struct rt_conf_errors *errors, size_t before, const char *refused);

/* Adds the warnings in `errors` about files that are not loaded because of their names: a rule in such a file is missing. OK, NOMEM. */
int policy_broken_add_ignored(struct policy_broken *b, const struct rt_conf_errors *errors);

/*
 * Text that is no valid YAML, as far as it can be read: without comments and zero bytes, escapes (\u00fc) replaced by what they stand for,
 * lines that a backslash joins as one, UTF-16 as UTF-8. OK, LIMIT, NOMEM; the caller releases `out`, which this initialises.
 */
int policy_broken_text(struct xfed_span text, struct xfed_buf *out);
/* The next run of bytes that are none of `ends`; false: there is none. */
bool policy_broken_word(struct xfed_span *rest, const char *ends, struct xfed_span *word);
#define POLICY_BLANKS	 " \t\r\n\f\v"
#define POLICY_WORD_ENDS POLICY_BLANKS "\"'`[]{}(),;:<>=|\\" /* also quotes, brackets, and what separates items */

/*
 * The names of partners in the text of `file`, and the domain that the file is named after: every word that looks like one, because what
 * the other words are cannot be known. For a name whose beginning cannot be read (another character set), all names that end like it, as
 * "*.example.com". Appended to `names`, normalised, each with a NUL behind it. OK, LIMIT, NOMEM.
 */
int policy_broken_names(const char *file, struct xfed_span text, struct xfed_buf *names);

#endif
