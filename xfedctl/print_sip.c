/* What there is between the gateway and SIP servers. */
#include "ctl.h"

static void add_names(struct ctl_table *t, const json_t *c)
{
	char text[512] = "";
	size_t n = 0, i;
	json_t *name;
	json_array_foreach(json_object_get(c, "names"), i, name) {
		int len = n < sizeof(text) ? snprintf(text + n, sizeof(text) - n, "%s%s", n > 0 ? ", " : "", json_string_value(name)) : 0;
		n += len > 0 ? (size_t)len : 0;
	}
	ctl_table_add(t, text);
}

static void add_connection(struct ctl_table *t, const json_t *c)
{
	char idle[32];
	ctl_table_addf(t, "%lld", (long long)ctl_int(c, "id"));
	ctl_table_add(t, ctl_str(c, "direction"));
	ctl_table_add(t, ctl_str(c, "transport"));
	ctl_table_addf(t, "%s%s", ctl_str(c, "address"), json_is_true(json_object_get(c, "neighbour")) ? ", neighbour" : "");
	ctl_table_add(t, ctl_str(c, "state"));
	ctl_table_add(t, json_is_true(json_object_get(c, "trusted")) ? "yes" : "no");
	ctl_table_add(t, ctl_duration(ctl_int(c, "idle_s"), idle));
	add_names(t, c);
}

static void add_session(struct ctl_table *t, const json_t *c)
{
	char idle[32];
	bool is_users = strcmp(ctl_str(c, "opened_by"), "user") == 0;
	ctl_table_addf(t, "%lld", (long long)ctl_int(c, "id"));
	ctl_table_add(t, ctl_str(c, is_users ? "user" : "contact"));
	ctl_table_add(t, ctl_str(c, is_users ? "contact" : "user"));
	ctl_table_add(t, ctl_str(c, "state"));
	ctl_table_addf(t, "%lld", (long long)ctl_int(c, "under_way"));
	ctl_table_add(t, ctl_duration(ctl_int(c, "idle_s"), idle));
	ctl_table_add(t, ctl_str(c, "call_id"));
}

static void add_transaction(struct ctl_table *t, const json_t *c)
{
	ctl_table_addf(t, "%lld", (long long)ctl_int(c, "id"));
	ctl_table_add(t, ctl_str(c, "direction"));
	ctl_table_add(t, ctl_str(c, "method"));
	ctl_table_add(t, ctl_str(c, "state"));
	ctl_table_addf(t, "%s %s", ctl_str(c, "transport"), ctl_str(c, "address"));
	ctl_table_add(t, ctl_str(c, "call_id"));
}

static const struct part {
	const char *kind;
	void (*add)(struct ctl_table *t, const json_t *c);
	size_t columns;
	const char *names[8];
} parts[] = {
	{ "connection", add_connection, 8, { "CONNECTION", "DIRECTION", "OVER", "WITH", "STATE", "MAY SEND", "IDLE", "CERTIFICATE" } },
	{ "session", add_session, 7, { "SESSION", "OPENED BY", "WITH", "STATE", "UNDER WAY", "IDLE", "CALL-ID" } },
	{ "transaction", add_transaction, 6, { "TRANSACTION", "DIRECTION", "METHOD", "STATE", "WITH", "CALL-ID" } },
};

static void print_part(const struct part *p, const json_t *list, FILE *out)
{
	struct ctl_table t;
	size_t i;
	json_t *item;
	ctl_table_init(&t, p->columns);
	json_array_foreach(list, i, item) {
		if (strcmp(ctl_str(item, "kind"), p->kind) != 0) {
			continue;
		}
		if (t.count == 0) {
			fprintf(out, "\n");
			ctl_table_header(&t, p->names);
		}
		p->add(&t, item);
	}
	ctl_table_print(&t, "", out);
}

enum ctl_exit ctl_print_sip_list(const json_t *result, FILE *out)
{
	const json_t *counts = json_object_get(result, "counts");
	fprintf(out, "in all: %lld connections, %lld sessions, %lld transactions\n", (long long)ctl_int(counts, "connections"),
		(long long)ctl_int(counts, "sessions"), (long long)ctl_int(counts, "transactions"));
	for (size_t i = 0; i < XFED_ARRAY_LEN(parts); i++) {
		print_part(&parts[i], json_object_get(result, "sip"), out);
	}
	ctl_print_next(result, "sip", out);
	return CTL_FINE;
}
