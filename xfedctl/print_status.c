#include "ctl.h"

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
		if (is_up && rtt && json_number_value(rtt) > 0) { /* 0: not measured yet */
			ctl_table_addf(t, "up since %s, round trip %.1f ms", ctl_time(ctl_int(c, "since"), since), json_number_value(rtt));
		} else if (is_up) {
			ctl_table_addf(t, "up since %s", ctl_time(ctl_int(c, "since"), since));
		} else {
			ctl_table_addf(t, "DOWN since %s %s", ctl_time(ctl_int(c, "since"), since), ctl_str(c, "reason"));
		}
	}
}

/* Shows what the hop last refused beside what it last accepted; which of them is its present state, the problems say. */
static void print_hops(struct ctl_table *t, const json_t *status)
{
	size_t i;
	json_t *h;
	json_array_foreach(json_object_get(status, "sip"), i, h) {
		const char *state = ctl_str(h, "state");
		const json_t *r = json_object_get(h, "refusals");
		char since[32], worked[32], last[32], first[32], taken[64] = "", refused[512] = "";
		if (ctl_int(h, "worked") > 0) {
			snprintf(taken, sizeof(taken), "; last took one at %s", ctl_time(ctl_int(h, "worked"), worked));
		}
		if (r) {
			const char *said = ctl_str(r, "text");
			snprintf(refused, sizeof(refused), "; answered %lld %lld time%s from %s to %s%s%s%s", (long long)ctl_int(r, "status"),
				(long long)ctl_int(r, "count"), ctl_int(r, "count") == 1 ? "" : "s", ctl_time(ctl_int(r, "first"), first),
				ctl_time(ctl_int(r, "last"), last), *said ? " (" : "", said, *said ? ")" : "");
		}
		ctl_table_addf(t, "SIP server %s", ctl_str(h, "next_hop"));
		if (strcmp(state, "asked") == 0) {
			ctl_table_add(t, "has been asked and has not answered yet");
		} else if (strcmp(state, "up") == 0) {
			ctl_table_addf(t, "up since %s%s%s", ctl_time(ctl_int(h, "since"), since), taken, refused);
		} else if (strcmp(state, "refuses") == 0) {
			ctl_table_addf(t, "REFUSES since %s %s%s%s; the next message tries again", ctl_time(ctl_int(h, "since"), since),
				ctl_str(h, "reason"), taken, refused);
		} else {
			ctl_table_addf(t, "DOWN since %s %s%s%s; last tried at %s, again within a minute", ctl_time(ctl_int(h, "since"), since),
				ctl_str(h, "reason"), taken, refused, ctl_time(ctl_int(h, "tried"), first));
		}
	}
}

static void print_untrusted(struct ctl_table *t, const json_t *status)
{
	size_t i;
	json_t *u;
	json_array_foreach(json_object_get(status, "untrusted"), i, u) {
		char first[32], last[32];
		ctl_table_add(t, "refused SIP sender");
		ctl_table_addf(t, "%s as %s, %lld time%s from %s to %s: %s", ctl_str(u, "peer"), ctl_str(u, "domain"), (long long)ctl_int(u, "count"),
			ctl_int(u, "count") == 1 ? "" : "s", ctl_time(ctl_int(u, "first"), first), ctl_time(ctl_int(u, "last"), last),
			ctl_str(u, "remedy"));
	}
}

static void print_presence(struct ctl_table *t, const json_t *status)
{
	const json_t *p = json_object_get(status, "presence"), *w;
	size_t i;
	if (!p) {
		return;
	}
	ctl_table_add(t, "presence");
	ctl_table_addf(t, "%lld watching, %lld watched; of %lld contacts %lld may be old", (long long)ctl_int(p, "watching"),
		(long long)ctl_int(p, "watched"), (long long)ctl_int(p, "contacts"), (long long)ctl_int(p, "stale"));
	json_array_foreach(json_object_get(p, "stale_by"), i, w) {
		ctl_table_add(t, "");
		ctl_table_addf(t, "%lld: %s", (long long)ctl_int(w, "count"), ctl_str(w, "text"));
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
	fprintf(out, ": %s, up %s\n", rt_command_state_words(ctl_str(status, "state")), ctl_duration(ctl_int(status, "uptime_s"), up));
	bool has_problem = print_list(status, "problems", "PROBLEM", indent, out);
	print_list(status, "notes", "note", indent, out);
	ctl_table_init(&t, 2);
	print_channel(&t, status);
	print_hops(&t, status);
	print_untrusted(&t, status);
	ctl_table_add(&t, "streams");
	ctl_table_addf(&t, "%lld in, %lld out", (long long)ctl_int(streams, "in"), (long long)ctl_int(streams, "out"));
	ctl_table_add(&t, "deliveries in flight");
	ctl_table_addf(&t, "%lld", (long long)ctl_int(status, "deliveries_in_flight"));
	print_presence(&t, status);
	ctl_table_add(&t, "policy");
	if (policy) {
		ctl_table_addf(&t, "%lld partner%s, revision %lld.%lld, hash %.12s", (long long)ctl_int(policy, "partners"),
			ctl_int(policy, "partners") == 1 ? "" : "s", (long long)ctl_int(policy, "epoch"), (long long)ctl_int(policy, "revision"),
			ctl_str(policy, "hash"));
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
