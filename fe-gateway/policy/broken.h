/*
 * broken: files of partners.d and access.d that a start has found and cannot load. They do not keep the gateway from starting: what they
 * could have been about is refused, and told in `status`, until a reload finds them mended. Told too are files that no start and no
 * reload loads, as their names do not end in .yaml. Part of policy.h.
 */
#ifndef GATEWAY_POLICY_BROKEN_H
#define GATEWAY_POLICY_BROKEN_H

#include "xfed/buf.h"
#include "xfed/rt/conf.h"

#define POLICY_BROKEN_TOLD 20 /* files, each with its sentence; the others are counted */

struct policy_broken {
	struct xfed_arena arena;
	struct policy_broken_file {
		enum xfed_reason reason;
		const char *text; /* its first error, and what is refused for it, or is to be done */
		struct policy_broken_file *next;
	} * first, *last;
	size_t count;	 /* of all */
	int64_t since_s; /* when they were found */
};
void policy_broken_init(struct policy_broken *b);
void policy_broken_deinit(struct policy_broken *b); /* zeroed is fine */

/* One more: its errors are those of `errors` behind the first `before`; `refused`: what is refused for it, as a phrase. OK, NOMEM. */
int policy_broken_add(
	struct policy_broken *b, enum xfed_reason reason, const char *file, const struct rt_conf_errors *errors, size_t before, const char *refused);

/* What `errors` says of files that are not loaded for their names, which is as good as a rule that is gone. OK, NOMEM. */
int policy_broken_add_ignored(struct policy_broken *b, const struct rt_conf_errors *errors);

/*
 * Text that is no YAML, as far as it can be read: without comments and zero bytes, with escapes (\u00fc) as what they stand for, lines that
 * a backslash joins as one, UTF-16 as UTF-8. OK, LIMIT, NOMEM; the caller releases `out`, which this initialises.
 */
int policy_broken_text(struct xfed_span text, struct xfed_buf *out);
/* The next run of bytes that are none of `ends`; false: the end. */
bool policy_broken_word(struct xfed_span *rest, const char *ends, struct xfed_span *word);
#define POLICY_BLANKS	 " \t\r\n\f\v"
#define POLICY_WORD_ENDS POLICY_BLANKS "\"'`[]{}(),;:<>=|\\" /* with quotes, brackets and what stands between items */

/*
 * The names of partners in the text of `file`, and the domain that file is named after: whatever looks like one, as nobody can say what
 * the rest is. Of a name whose beginning cannot be read (another character set) all that ends so, "*.example.com". Appended to `names`, normalised, a NUL behind each. OK, LIMIT, NOMEM.
 */
int policy_broken_names(const char *file, struct xfed_span text, struct xfed_buf *names);

#endif
