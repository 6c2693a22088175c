#include "ctl.h"
#include "xfed/reason.h"
#include "xfed/s2s.h"

static void header(struct ctl_table *t, const char *const *names)
{
	for (size_t i = 0; i < t->columns; i++) {
		ctl_table_add(t, names[i]);
	}
}

enum ctl_exit ctl_print_stream_list(const json_t *result, FILE *out)
{
	static const char *const names[] = { "ID", "LOCAL", "", "REMOTE", "STATE", "METHOD", "TLS", "CIPHER", "ADDRESS", "AGE", "IDLE", "QUEUED" };
	struct ctl_table t;
	size_t i;
	json_t *s;
	const json_t *list = json_object_get(result, "streams");
	if (json_array_size(list) == 0) {
		fprintf(out, "no streams\n");
		return CTL_FINE;
	}
	ctl_table_init(&t, XFED_ARRAY_LEN(names));
	header(&t, names);
	json_array_foreach(list, i, s) {
		char age[32], idle[32];
		const char *edge = ctl_str(s, "edge");
		ctl_table_addf(&t, "%s%s%lld", edge, *edge ? "/" : "", (long long)ctl_int(s, "id"));
		ctl_table_add(&t, ctl_str(s, "local"));
		ctl_table_add(&t, strcmp(ctl_str(s, "direction"), "in") == 0 ? "<-" : "->");
		ctl_table_add(&t, ctl_str(s, "remote"));
		ctl_table_add(&t, xfed_s2s_words(ctl_str(s, "state")));
		ctl_table_add(&t, ctl_str(s, "method"));
		ctl_table_add(&t, ctl_str(s, "tls"));
		ctl_table_add(&t, ctl_str(s, "cipher"));
		ctl_table_add(&t, ctl_str(s, "peer_address"));
		ctl_table_add(&t, ctl_duration(ctl_int(s, "age_s"), age));
		ctl_table_add(&t, ctl_duration(ctl_int(s, "idle_s"), idle));
		ctl_table_addf(&t, "%lld", (long long)ctl_int(s, "queued"));
	}
	ctl_table_print(&t, "", out);
	return CTL_FINE;
}

static void row(struct ctl_table *t, const char *name, const char *value)
{
	ctl_table_add(t, name);
	ctl_table_add(t, value);
}

static void row_list(struct ctl_table *t, const char *name, const json_t *list)
{
	size_t i;
	json_t *s;
	if (json_array_size(list) == 0) {
		row(t, name, "none");
	}
	json_array_foreach(list, i, s) {
		row(t, i == 0 ? name : " ", json_string_value(s));
	}
}

static void rows_of_certificate(struct ctl_table *t, const json_t *s)
{
	char from[32], until[32];
	const json_t *c = json_object_get(s, "certificate");
	if (!c) {
		row(t, "certificate", "none");
		return;
	}
	row(t, "certificate", ctl_str(c, "subject"));
	row(t, "issuer", ctl_str(c, "issuer"));
	ctl_table_add(t, "valid");
	ctl_table_addf(t, "%s to %s", ctl_time(ctl_int(c, "not_before"), from), ctl_time(ctl_int(c, "not_after"), until));
	row_list(t, "names", json_object_get(c, "names"));
	row_list(t, "usage", json_object_get(c, "eku"));
	row(t, "sha256", ctl_str(c, "sha256"));
	enum xfed_reason problem = xfed_reason_by_code(xfed_span_str(ctl_str(s, "certificate_problem")));
	row(t, "wrong with it", ctl_str(s, "certificate_problem")[0] ? ctl_str(s, "certificate_problem") : "nothing");
	if (problem != XFED_REASON_NONE) {
		row(t, " ", xfed_reason_info(problem)->remedy);
	}
}

/* Stanzas counted by stream management, where it is used. */
static void row_of_sm(struct ctl_table *t, const json_t *s)
{
	const json_t *sm = json_object_get(s, "stream_management");
	bool is_in = json_object_get(sm, "received") != NULL;
	if (sm) {
		ctl_table_add(t, "acknowledged");
		ctl_table_addf(t, "%lld of %lld %s", (long long)ctl_int(sm, "acknowledged"), (long long)ctl_int(sm, is_in ? "received" : "sent"),
			is_in ? "received" : "sent");
	}
}

/* The stanza size that the partner has announced (XEP-0478). */
static void row_of_limit(struct ctl_table *t, const json_t *s)
{
	if (json_object_get(s, "peer_stanza_size")) {
		ctl_table_add(t, "takes");
		ctl_table_addf(t, "stanzas of up to %lld bytes", (long long)ctl_int(s, "peer_stanza_size"));
	}
}

enum ctl_exit ctl_print_stream_show(const json_t *s, FILE *out)
{
	struct ctl_table t;
	char age[32], idle[32];
	const char *edge = ctl_str(s, "edge"), *tls = ctl_str(s, "tls");
	ctl_table_init(&t, 2);
	ctl_table_add(&t, "stream");
	ctl_table_addf(&t, "%s%s%lld", edge, *edge ? "/" : "", (long long)ctl_int(s, "id"));
	ctl_table_add(&t, "from and to");
	ctl_table_addf(&t, "%s %s %s", ctl_str(s, "local"), strcmp(ctl_str(s, "direction"), "in") == 0 ? "<-" : "->", ctl_str(s, "remote"));
	row(&t, "state", xfed_s2s_words(ctl_str(s, "state")));
	row(&t, "address", ctl_str(s, "peer_address"));
	row(&t, "method", ctl_str(s, "method"));
	row(&t, "age", ctl_duration(ctl_int(s, "age_s"), age));
	row(&t, "idle", ctl_duration(ctl_int(s, "idle_s"), idle));
	ctl_table_add(&t, "stanzas");
	ctl_table_addf(&t, "%lld in, %lld out, %lld queued%s", (long long)ctl_int(s, "stanzas_in"), (long long)ctl_int(s, "stanzas_out"),
		(long long)ctl_int(s, "queued"), json_is_true(json_object_get(s, "paused")) ? ", paused" : "");
	row_of_sm(&t, s);
	row_of_limit(&t, s);
	ctl_table_add(&t, "TLS");
	ctl_table_addf(&t, "%s%s%s", *tls ? tls : "none", *tls ? " " : "", ctl_str(s, "cipher"));
	if (*tls) {
		rows_of_certificate(&t, s);
	}
	ctl_table_print(&t, "", out);
	return CTL_FINE;
}

enum ctl_exit ctl_print_stream_close(const json_t *s, FILE *out)
{
	const char *edge = ctl_str(s, "edge");
	ctl_text(out, edge);
	fprintf(out, "%s%lld closed: ", *edge ? "/" : "", (long long)ctl_int(s, "id"));
	ctl_text(out, ctl_str(s, "local"));
	fprintf(out, " and ");
	ctl_text(out, ctl_str(s, "remote"));
	fprintf(out, "\n");
	return CTL_FINE;
}
