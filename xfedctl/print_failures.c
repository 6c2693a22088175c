/* Prints the journal of failed attempts, as a table or one in full. */
#include "ctl.h"

static const char *arrow(const json_t *f)
{
	return strcmp(ctl_str(f, "direction"), "in") == 0 ? "<-" : "->";
}

/* False: the peer had not authenticated, so anybody may have sent it. */
static bool is_proved(const json_t *f)
{
	return !json_is_false(json_object_get(f, "proved"));
}

static void add_row(struct ctl_table *t, const json_t *f)
{
	char last[32];
	ctl_table_addf(t, "%lld", (long long)ctl_int(f, "id"));
	ctl_table_add(t, ctl_time(ctl_int(f, "last"), last));
	ctl_table_addf(t, "%lld", (long long)ctl_int(f, "count"));
	ctl_table_add(t, ctl_str(f, "edge"));
	if (!is_proved(f)) {
		ctl_table_add(t, ctl_str(f, "network"));
	}
	ctl_table_add(t, ctl_str(f, "local"));
	ctl_table_add(t, arrow(f));
	ctl_table_add(t, ctl_str(f, "remote"));
	ctl_table_add(t, ctl_str(f, "reason"));
	ctl_table_add(t, ctl_str(f, "side"));
	ctl_table_add(t, ctl_str(f, "text"));
}

/* Failures of strangers are printed separately and last, so that they never hide the others. */
static size_t print_rows(const json_t *list, bool proved, const char *title, FILE *out)
{
	static const char *const names[] = { "ID", "LAST SEEN", "TIMES", "EDGE", "NETWORK", "LOCAL", "", "REMOTE", "REASON", "AT FAULT", "TEXT" };
	struct ctl_table t;
	size_t i, rows = 0;
	json_t *f;
	json_array_foreach(list, i, f) {
		rows += is_proved(f) == proved;
	}
	if (rows == 0) {
		return 0;
	}
	fputs(title, out);
	ctl_table_init(&t, XFED_ARRAY_LEN(names) - (proved ? 1 : 0));
	for (i = 0; i < XFED_ARRAY_LEN(names); i++) {
		if (!proved || strcmp(names[i], "NETWORK") != 0) {
			ctl_table_add(&t, names[i]);
		}
	}
	json_array_foreach(list, i, f) {
		if (is_proved(f) == proved) {
			add_row(&t, f);
		}
	}
	ctl_table_print(&t, "", out);
	return rows;
}

enum ctl_exit ctl_print_failures_list(const json_t *result, FILE *out)
{
	const json_t *list = json_object_get(result, "failures");
	if (json_array_size(list) == 0) {
		fprintf(out, "no failures\n");
		return CTL_FINE;
	}
	size_t ours = print_rows(list, true, "", out);
	print_rows(list, false,
		ours > 0 ? "\nof peers that have not authenticated, by network; their names are only claimed\n"
			 : "of peers that have not authenticated, by network; their names are only claimed\n",
		out);
	if (json_object_get(result, "next")) {
		fprintf(out, "older ones: the same command with before=%lld\n", (long long)ctl_int(result, "next"));
	}
	return CTL_FINE;
}

/* ---- one failure ---- */

static void row(struct ctl_table *t, const char *name, const char *value)
{
	ctl_table_add(t, name);
	ctl_table_add(t, value);
}

static void row_if_any(struct ctl_table *t, const char *name, const char *value)
{
	if (value[0]) {
		row(t, name, value);
	}
}

static void print_head(const json_t *f, FILE *out)
{
	const char *remedy = ctl_str(f, "remedy");
	fprintf(out, "%lld: ", (long long)ctl_int(f, "id"));
	ctl_text(out, ctl_str(f, "reason"));
	fprintf(out, ", at fault: ");
	ctl_text(out, ctl_str(f, "side"));
	fprintf(out, "\n");
	ctl_text(out, remedy[0] ? remedy : "This version does not know the reason; the edge is newer.");
	fprintf(out, "\n\n");
}

static void print_facts(const json_t *f, FILE *out)
{
	struct ctl_table t;
	size_t i;
	json_t *fact;
	char first[32], last[32];
	ctl_table_init(&t, 2);
	ctl_table_add(&t, "from and to");
	ctl_table_addf(&t, "%s %s %s", ctl_str(f, "local"), arrow(f), ctl_str(f, "remote"));
	row(&t, "last seen", ctl_time(ctl_int(f, "last"), last));
	if (ctl_int(f, "count") > 1) {
		ctl_table_add(&t, "times");
		ctl_table_addf(&t, "%lld since %s", (long long)ctl_int(f, "count"), ctl_time(ctl_int(f, "at"), first));
	}
	if (!is_proved(f)) {
		size_t n;
		json_t *name;
		row(&t, "proved", "nothing: anybody in the network may have claimed the name");
		row(&t, "network", ctl_str(f, "network")[0] ? ctl_str(f, "network") : "unknown");
		json_array_foreach(json_object_get(f, "names"), n, name) {
			row(&t, n == 0 ? "names claimed" : " ", json_string_value(name));
		}
	}
	row(&t, "seen by", ctl_str(f, "edge")[0] ? ctl_str(f, "edge") : "this gateway");
	row_if_any(&t, "what was said", ctl_str(f, "text"));
	row_if_any(&t, "correlation", ctl_str(f, "correlation"));
	json_array_foreach(json_object_get(f, "facts"), i, fact) {
		row(&t, ctl_str(fact, "name"), ctl_str(fact, "value"));
	}
	ctl_table_print(&t, "  ", out);
}

static void print_steps(const json_t *steps, FILE *out)
{
	struct ctl_table t;
	size_t i;
	json_t *s;
	if (json_array_size(steps) == 0) {
		return;
	}
	fprintf(out, "\nsteps, in milliseconds since the attempt began\n");
	ctl_table_init(&t, 4);
	json_array_foreach(steps, i, s) {
		ctl_table_addf(&t, "%lld", (long long)ctl_int(s, "at_ms"));
		ctl_table_add(&t, ctl_str(s, "step"));
		ctl_table_add(&t, json_is_true(json_object_get(s, "ok")) ? "ok" : "FAILED");
		ctl_table_add(&t, ctl_str(s, "detail"));
	}
	ctl_table_print(&t, "  ", out);
}

static void row_list(struct ctl_table *t, const char *name, const json_t *list)
{
	size_t i;
	json_t *s;
	if (json_array_size(list) == 0) {
		row(t, name, "none");
	}
	json_array_foreach(list, i, s) {
		ctl_table_add(t, i == 0 ? name : " ");
		ctl_table_add(t, json_string_value(s));
	}
}

static void print_certificate(const json_t *c, size_t number, size_t count, FILE *out)
{
	struct ctl_table t;
	char from[32], until[32];
	fprintf(out, "\ncertificate %zu of %zu%s\n", number, count, number == 1 ? ", the partner's own" : "");
	ctl_table_init(&t, 2);
	row(&t, "subject", ctl_str(c, "subject"));
	row(&t, "issuer", ctl_str(c, "issuer"));
	ctl_table_add(&t, "valid");
	ctl_table_addf(&t, "%s to %s", ctl_time(ctl_int(c, "not_before"), from), ctl_time(ctl_int(c, "not_after"), until));
	row_list(&t, "names", json_object_get(c, "names"));
	row_list(&t, "key usage", json_object_get(c, "eku"));
	row(&t, "serial", ctl_str(c, "serial"));
	row(&t, "sha256", ctl_str(c, "sha256"));
	ctl_table_print(&t, "  ", out);
}

enum ctl_exit ctl_print_failures_show(const json_t *f, FILE *out)
{
	size_t i;
	json_t *c;
	const json_t *chain = json_object_get(f, "chain");
	print_head(f, out);
	print_facts(f, out);
	print_steps(json_object_get(f, "steps"), out);
	json_array_foreach(chain, i, c) {
		print_certificate(c, i + 1, json_array_size(chain), out);
	}
	if (json_is_true(json_object_get(f, "unreadable"))) {
		fprintf(out, "\nsteps and certificates cannot be read: the store is damaged\n");
	}
	return CTL_FINE;
}

enum ctl_exit ctl_print_failures_retry(const json_t *result, FILE *out)
{
	size_t i;
	json_t *p;
	json_array_foreach(json_object_get(result, "pairs"), i, p) {
		bool is_ready = strcmp(ctl_str(p, "state"), "ready") == 0;
		ctl_text(out, ctl_str(p, "edge"));
		fprintf(out, ": ");
		ctl_text(out, ctl_str(p, "local"));
		fprintf(out, " -> ");
		ctl_text(out, ctl_str(p, "remote"));
		fprintf(out, is_ready ? ": a stream is open\n" : ": dialling; stream list or failures list shows how it went\n");
	}
	return CTL_FINE;
}
