#include "ctl.h"

static const char *state_words(const char *state)
{
	if (strcmp(state, "in-service") == 0) {
		return "in service";
	}
	return strcmp(state, "out-of-service") == 0 ? "OUT OF SERVICE" : state;
}

static bool print_list(const json_t *status, const char *key, const char *word, const char *indent, FILE *out)
{
	size_t i;
	json_t *p;
	const json_t *list = json_object_get(status, key);
	json_array_foreach(list, i, p) {
		char since[32];
		fprintf(out, "%s  %s %s since %s: ", indent, word, ctl_str(p, "reason"), ctl_time(ctl_int(p, "since"), since));
		ctl_text(out, ctl_str(p, "text"));
		fprintf(out, "\n");
	}
	return json_array_size(list) > 0;
}

static void print_channel(struct ctl_table *t, const json_t *status)
{
	size_t i;
	json_t *c;
	json_array_foreach(json_object_get(status, "channel"), i, c) {
		bool is_up = json_is_true(json_object_get(c, "up"));
		const json_t *rtt = json_object_get(c, "rtt_ms");
		char since[32];
		ctl_table_addf(t, "channel to %s", ctl_str(c, "peer"));
		if (is_up && rtt && json_number_value(rtt) > 0) { /* 0: nothing has been measured yet */
			ctl_table_addf(t, "up since %s, round trip %.1f ms", ctl_time(ctl_int(c, "since"), since), json_number_value(rtt));
		} else if (is_up) {
			ctl_table_addf(t, "up since %s", ctl_time(ctl_int(c, "since"), since));
		} else {
			ctl_table_addf(t, "DOWN since %s %s", ctl_time(ctl_int(c, "since"), since), ctl_str(c, "reason"));
		}
	}
}

static bool print_one(const json_t *status, const char *indent, FILE *out)
{
	struct ctl_table t;
	char up[32];
	const json_t *streams = json_object_get(status, "streams"), *policy = json_object_get(status, "policy");
	fputs(indent, out);
	ctl_text(out, ctl_str(status, "name"));
	fprintf(out, " (%s) ", ctl_str(status, "role"));
	ctl_text(out, ctl_str(status, "version"));
	fprintf(out, ": %s, up %s\n", state_words(ctl_str(status, "state")), ctl_duration(ctl_int(status, "uptime_s"), up));
	bool has_problem = print_list(status, "problems", "PROBLEM", indent, out);
	print_list(status, "notes", "note", indent, out);
	ctl_table_init(&t, 2);
	print_channel(&t, status);
	ctl_table_add(&t, "streams");
	ctl_table_addf(&t, "%lld in, %lld out", (long long)ctl_int(streams, "in"), (long long)ctl_int(streams, "out"));
	ctl_table_add(&t, "deliveries in flight");
	ctl_table_addf(&t, "%lld", (long long)ctl_int(status, "deliveries_in_flight"));
	ctl_table_add(&t, "policy");
	if (policy) {
		ctl_table_addf(&t, "%lld partners, revision %lld.%lld, hash %.12s", (long long)ctl_int(policy, "partners"),
			(long long)ctl_int(policy, "epoch"), (long long)ctl_int(policy, "revision"), ctl_str(policy, "hash"));
	} else {
		ctl_table_add(&t, "none yet");
	}
	char inner[16];
	snprintf(inner, sizeof(inner), "%s  ", indent);
	ctl_table_print(&t, inner, out);
	return has_problem;
}

enum ctl_exit ctl_print_status(const json_t *result, FILE *out)
{
	size_t i;
	json_t *edge;
	bool has_problem = print_one(result, "", out);
	json_array_foreach(json_object_get(result, "edges"), i, edge) {
		has_problem = print_one(edge, "  ", out) || has_problem;
	}
	return has_problem ? CTL_PROBLEM : CTL_FINE;
}
