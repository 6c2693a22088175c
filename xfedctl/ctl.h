/* Between the files of xfedctl: what it can do, how it asks, how it prints. */
#ifndef XFEDCTL_CTL_H
#define XFEDCTL_CTL_H

#include <jansson.h>
#include <stdio.h>

#include "xfed/base.h"

#define CTL_ASK (-1)
enum ctl_exit { CTL_FINE = 0, CTL_PROBLEM = 1, CTL_USAGE = 2 };

struct ctl_options {
	const char *socket; /* NULL: none given */
	const char *name;
	bool is_all, is_json;
};

#define CTL_ARGS_MAX 8

struct ctl_command {
	const char *noun, *verb; /* verb "" where there is none */
	const char *args;	 /* as in the usage line: "DOMAIN", "[FILE]" */
	size_t args_min, args_max;
	bool changes; /* asks for a choice where several services run */
	const char *help;
	/* The request's args, or NULL for none. */
	json_t *(*request)(char **args, size_t count);
	/* Prints an answer for people. Returns CTL_FINE, or CTL_PROBLEM where it shows one. */
	enum ctl_exit (*print)(const json_t *result, FILE *out);
	/* Instead of asking a service; NULL: ask. Returns an exit status, or CTL_ASK to ask all the same. */
	int (*local)(char **args, size_t count, const struct ctl_options *options);
};

extern const struct ctl_command ctl_commands[]; /* ends with noun NULL */
/* The noun where the pair is one of the words that come later, else NULL. */
const char *ctl_later(const char *noun, const char *verb);

/* ---- asking (client.c) ---- */

/* Sends one request. OK: `*answer` is a new reference. INVALID with a sentence in `error`. */
int ctl_ask(const char *path, const char *noun, const char *verb, json_t *args, json_t **answer, char error[256]);
/* Sockets in `dir`, sorted by name; at most `max`. Returns how many. `out` entries are to be freed with free(3). */
size_t ctl_find(const char *dir, char **out, size_t max);

/* ---- printing (table.c) ---- */

#define CTL_COLUMNS_MAX 12
struct ctl_table {
	char **cells; /* row by row */
	size_t columns, count;
	bool is_broken; /* out of memory */
};
void ctl_table_init(struct ctl_table *t, size_t columns);
/* Copies; control characters become '?', so no peer can write to the terminal. NULL and "" are shown as "-". */
void ctl_table_add(struct ctl_table *t, const char *cell);
void ctl_table_addf(struct ctl_table *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void ctl_table_print(struct ctl_table *t, const char *indent, FILE *out); /* and releases */
void ctl_text(FILE *out, const char *s);				  /* one text without control characters */
/* "3d 4h", "12s". */
const char *ctl_duration(json_int_t seconds, char out[32]);
const char *ctl_time(json_int_t seconds, char out[32]); /* ISO-8601 UTC */

/* json_object_get() for printing: "" and 0 where absent. */
const char *ctl_str(const json_t *o, const char *key);
json_int_t ctl_int(const json_t *o, const char *key);

/* ---- the printers ---- */

enum ctl_exit ctl_print_status(const json_t *result, FILE *out);
enum ctl_exit ctl_print_streams(const json_t *result, FILE *out);
enum ctl_exit ctl_print_stream(const json_t *result, FILE *out);
enum ctl_exit ctl_print_closed(const json_t *result, FILE *out);
enum ctl_exit ctl_print_explain(const json_t *result, FILE *out);
enum ctl_exit ctl_print_check(const json_t *result, FILE *out);
enum ctl_exit ctl_print_retry(const json_t *result, FILE *out);
enum ctl_exit ctl_print_partners(const json_t *result, FILE *out);
enum ctl_exit ctl_print_partner(const json_t *result, FILE *out);
enum ctl_exit ctl_print_config(const json_t *result, FILE *out);
enum ctl_exit ctl_print_problems(const json_t *result, FILE *out);
enum ctl_exit ctl_print_level(const json_t *result, FILE *out);
enum ctl_exit ctl_print_failures(const json_t *result, FILE *out);
enum ctl_exit ctl_print_failure(const json_t *result, FILE *out);
json_t *ctl_retry_args(char **args, size_t count); /* failures.c */
int ctl_explain(char **args, size_t count, const struct ctl_options *options);
int ctl_check_file(char **args, size_t count, const struct ctl_options *options);

/* ---- words behind failures list and show (failures.c) ---- */

json_t *ctl_failures_args(char **args, size_t count);
int ctl_failures_check(char **args, size_t count, const struct ctl_options *options);
json_t *ctl_failure_args(char **args, size_t count);
int ctl_failure_check(char **args, size_t count, const struct ctl_options *options);

#endif
