/* What the files of xfedctl share: commands, requests, printing. */
#ifndef XFEDCTL_CTL_H
#define XFEDCTL_CTL_H

#include <jansson.h>
#include <stdio.h>
#include <time.h>

#include "xfed/buf.h"
#include "xfed/rt/command.h"

enum ctl_exit { CTL_FINE = 0, CTL_PROBLEM = 1, CTL_USAGE = 2 };

/* A change that somebody asked for over a socket (writer.c): what is told goes into `answer`, and nowhere else. */
struct ctl_errand {
	const char *config;	  /* the gateway's file: no other one is meant */
	const char *login, *from; /* who, and from which address */
	const char *expect;	  /* the file's hash as the editor saw it; NULL: it does not matter */
	json_t *answer;		  /* a new reference */
};

struct ctl_options {
	const char *socket; /* NULL: none given */
	const char *name;
	bool is_all, is_json;
	struct ctl_errand *errand; /* NULL: asked for at the terminal */
};

/*
 * Exactly one is set: prints an answer for people, and returns CTL_PROBLEM if it shows a problem; or carries the command out without a
 * service, and returns the exit status.
 */
struct ctl_way {
	enum ctl_exit (*print)(const json_t *result, FILE *out);
	enum ctl_exit (*act)(const json_t *args, const struct ctl_options *options);
};
/* Prints one step of a long command as soon as it is known; the printer of the answer leaves it out then. */
void ctl_print_part(const json_t *part);
extern const struct ctl_way ctl_ways[RT_COMMAND_COUNT]; /* in the order of rt_commands */

#define CTL_DECLARE_BOTH(id)	enum ctl_exit ctl_print_##id(const json_t *result, FILE *out);
#define CTL_DECLARE_GATEWAY(id) CTL_DECLARE_BOTH(id)
#define CTL_DECLARE_XFEDCTL(id) enum ctl_exit ctl_do_##id(const json_t *args, const struct ctl_options *options);
#define CTL_DECLARE_INTERNAL(id)
#define CTL_DECLARE_INSIDE(id)
#define CTL_DECLARE_PANEL(id)
#define COMMAND(id, noun, verb, served, who, help, more, args) CTL_DECLARE_##served(id)
#include "xfed/rt/commands.def"

/* The noun, if the command is planned and not built yet; else NULL. */
const char *ctl_later(const char *noun, const char *verb);

/* ---- words (args.c) ---- */

struct ctl_mistake {
	const char *word;		  /* the wrong word; NULL: one is missing */
	const struct rt_command_arg *arg; /* the argument it does not fit, or that is missing; NULL: there is a word too many */
	size_t at;			  /* how many words before it were accepted */
	bool is_twice;			  /* the argument has been given already */
};
/* The arguments of a request; NULL: the words do not fit the command, or out of memory. */
json_t *ctl_read_args(const struct rt_command *c, char **words, size_t count, struct ctl_mistake *mistake);

/* Prints a line for each command of a noun; NULL: of all. Returns how many. */
size_t ctl_usage(const char *noun, FILE *out);
/* The noun, or the verb of `noun`, that a mistyped word is nearest to; NULL: none is near. */
const char *ctl_nearest(const char *noun, const char *word);
/* Prints what replaces a cmdlet of Lync Server, or all of one noun of its. Returns how many. */
size_t ctl_cmdlet(const char *word, FILE *out);

/* ---- asking (client.c) ---- */

#define CTL_RUN_DIR	"/run/xfed" /* of the sockets */
#define CTL_SOCKETS_MAX 64

/* Sends one request. OK: `*answer` is a new reference. INVALID with one sentence in `error`. `part` is called for each step before the answer; may be NULL. */
int ctl_ask(const char *path, const char *noun, const char *verb, json_t *args, void (*part)(const json_t *part), json_t **answer, char error[256]);
time_t ctl_patience_s(const char *noun, const char *verb, const json_t *args); /* how long it waits for the answer */
/* The same; of a command that answers in pages as many as its argument `limit` says, put together. */
int ctl_ask_pages(const char *path, const struct rt_command *c, json_t *args, void (*part)(const json_t *part), json_t **answer, char error[256]);
/* Finds the sockets in `dir`, sorted by name, at most `max`; returns how many. The caller frees the entries of `out` with free(3). */
size_t ctl_find(const char *dir, char **out, size_t max);
const char *ctl_name_of(const char *path, char out[128]); /* of the service whose socket that is */

/* ---- printing (table.c) ---- */

#define CTL_COLUMNS_MAX 12
struct ctl_table {
	char **cells; /* row by row */
	size_t columns, count;
	bool is_broken; /* out of memory */
};
void ctl_table_init(struct ctl_table *t, size_t columns);
/* Copies the cell; control characters are printed as '?', so that no peer can write to the terminal. NULL and "" are shown as "-". */
void ctl_table_add(struct ctl_table *t, const char *cell);
void ctl_table_header(struct ctl_table *t, const char *const *names); /* a cell for each column */
void ctl_table_addf(struct ctl_table *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void ctl_table_print(struct ctl_table *t, const char *indent, FILE *out); /* prints the table, and frees it */
void ctl_print_next(const json_t *result, const char *noun, FILE *out);	  /* of a list in pages: where it goes on */
void ctl_text(FILE *out, const char *s);				  /* prints a text without its control characters */
/* The same for all texts of an answer, so that no printer can forget one: services pass on what edges say, and edges what partners do. */
void ctl_harmless(json_t *j, const char *kept);		       /* `kept`: control characters that stay */
void ctl_print_texts(const char *before, const json_t *texts); /* a line each */
/* "3d 4h", "12s". */
const char *ctl_duration(json_int_t seconds, char out[32]);
const char *ctl_time(json_int_t seconds, char out[32]); /* ISO-8601 UTC */

/* What of `was` is `is` no more, and what is there instead, line by line; false: out of memory, or there is no difference. */
bool ctl_diff(struct xfed_span was, struct xfed_span is, struct xfed_buf *out);
void ctl_print_diff(const json_t *changed); /* {"file", "diff"} */

/* Of steps or gates: a line each with state, name (under that key) and text; and what to do about problems, where a reason says it (print_explain.c). */
void ctl_print_lines(const json_t *list, const char *name, FILE *out);
void ctl_print_remedies(const json_t *steps, FILE *out);

/*
 * Tells why a command that xfedctl carries out itself did not work, as words or as JSON, and returns PROBLEM. `code` is one of
 * xfed/rt/command.h; "failed" where it is not said.
 */
enum ctl_exit ctl_refuse(const struct ctl_options *options, const char *text);
enum ctl_exit ctl_refuse_as(const struct ctl_options *options, const char *code, const char *text);

/* json_object_get() for printing: "" and 0 where absent. */
const char *ctl_str(const json_t *o, const char *key);
json_int_t ctl_int(const json_t *o, const char *key);

#endif
