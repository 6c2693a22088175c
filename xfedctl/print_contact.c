/* Who is whose contact, and which subscriptions there are. */
#include "ctl.h"

static const char *time_of(const json_t *o, const char *key, char out[32])
{
	return ctl_int(o, key) > 0 ? ctl_time(ctl_int(o, key), out) : "";
}

enum ctl_exit ctl_print_contact_list(const json_t *result, FILE *out)
{
	static const char *const names[] = { "USER", "CONTACT", "USER SEES", "CONTACT SEES", "WAITS SINCE", "APPROVED", "LAST USED" };
	struct ctl_table t;
	size_t i;
	json_t *c;
	const json_t *list = json_object_get(result, "contacts");
	if (json_array_size(list) == 0) {
		fprintf(out, "no contacts\n");
	} else {
		ctl_table_init(&t, XFED_ARRAY_LEN(names));
		ctl_table_header(&t, names);
		json_array_foreach(list, i, c) {
			char asked[32], used[32];
			ctl_table_add(&t, ctl_str(c, "user"));
			ctl_table_add(&t, ctl_str(c, "contact"));
			ctl_table_add(&t, ctl_str(c, "user_sees"));
			ctl_table_add(&t, ctl_str(c, "contact_sees"));
			ctl_table_add(&t, time_of(c, "asked", asked));
			ctl_table_add(&t, json_is_true(json_object_get(c, "approved")) ? "yes" : "");
			ctl_table_add(&t, time_of(c, "used", used));
		}
		ctl_table_print(&t, "", out);
	}
	ctl_print_next(result, "contact", out);
	return CTL_FINE;
}

static void print_subscriptions(const json_t *list, FILE *out)
{
	static const char *const names[] = { "ID", "WATCHER", "WATCHED", "STATE", "EXPIRES IN", "DEVICES", "" };
	struct ctl_table t;
	size_t i;
	json_t *s;
	if (json_array_size(list) == 0) {
		fprintf(out, "no subscriptions\n");
		return;
	}
	ctl_table_init(&t, XFED_ARRAY_LEN(names));
	ctl_table_header(&t, names);
	json_array_foreach(list, i, s) {
		char left[32];
		bool is_users = strcmp(ctl_str(s, "watcher"), "user") == 0;
		ctl_table_addf(&t, "%lld", (long long)ctl_int(s, "id"));
		ctl_table_add(&t, ctl_str(s, is_users ? "user" : "contact"));
		ctl_table_add(&t, ctl_str(s, is_users ? "contact" : "user"));
		ctl_table_add(&t, ctl_str(s, "state"));
		ctl_table_add(&t, json_object_get(s, "expires_s") ? ctl_duration(ctl_int(s, "expires_s"), left) : "");
		ctl_table_addf(&t, "%lld", (long long)ctl_int(s, "devices"));
		ctl_table_add(&t, json_is_true(json_object_get(s, "stale")) ? "may be stale, is asked for again" : "");
	}
	ctl_table_print(&t, "", out);
}

enum ctl_exit ctl_print_subscription_list(const json_t *result, FILE *out)
{
	print_subscriptions(json_object_get(result, "subscriptions"), out);
	ctl_print_next(result, "subscription", out);
	return CTL_FINE;
}

static void row(struct ctl_table *t, const char *name, const char *value)
{
	ctl_table_add(t, name);
	ctl_table_add(t, value);
}

static void print_pair(const json_t *c, FILE *out)
{
	struct ctl_table t;
	char asked[32], used[32], wanted[32];
	bool waits = strcmp(ctl_str(c, "contact_sees"), "asked") == 0;
	ctl_table_init(&t, 2);
	row(&t, "user", ctl_str(c, "user"));
	row(&t, "contact", ctl_str(c, "contact"));
	row(&t, "the user sees the contact", ctl_str(c, "user_sees"));
	ctl_table_add(&t, "the contact sees the user");
	ctl_table_addf(
		&t, "%s%s%s", ctl_str(c, "contact_sees"), waits ? ", waits for the SIP server since " : "", waits ? time_of(c, "asked", asked) : "");
	row(&t, "approved by contact approve", json_is_true(json_object_get(c, "approved")) ? "yes" : "no");
	if (json_object_get(c, "added")) {
		row(&t, "added by the user", json_is_true(json_object_get(c, "added")) ? "yes" : "no");
		row(&t, "written to within a day", json_is_true(json_object_get(c, "written_to")) ? "yes" : "no");
		row(&t, "last wanted by the user", time_of(c, "wanted", wanted));
	}
	row(&t, "last used", time_of(c, "used", used));
	row(&t, "state", ctl_str(c, "state"));
	ctl_table_print(&t, "", out);
}

enum ctl_exit ctl_print_contact_show(const json_t *c, FILE *out)
{
	print_pair(c, out);
	fprintf(out, "\n");
	print_subscriptions(json_object_get(c, "live"), out);
	return CTL_FINE;
}

static void print_two(const json_t *c, FILE *out)
{
	ctl_text(out, ctl_str(c, "user"));
	fprintf(out, " and ");
	ctl_text(out, ctl_str(c, "contact"));
}

enum ctl_exit ctl_print_contact_approve(const json_t *c, FILE *out)
{
	ctl_text(out, ctl_str(c, "contact"));
	fprintf(out, " may ask to see ");
	ctl_text(out, ctl_str(c, "user"));
	fprintf(out, ", and write. Whether it sees is for the SIP server to say; who was refused before has to ask again.\n");
	return CTL_FINE;
}

enum ctl_exit ctl_print_contact_remove(const json_t *c, FILE *out)
{
	print_two(c, out);
	fprintf(out, " are contacts no longer (it was: %s)\n", ctl_str(c, "state"));
	return CTL_FINE;
}

enum ctl_exit ctl_print_subscription_show(const json_t *s, FILE *out)
{
	json_t *list = json_pack("[O]", s);
	print_subscriptions(list, out);
	json_decref(list);
	fprintf(out, "\n");
	print_pair(json_object_get(s, "relation"), out);
	return CTL_FINE;
}

enum ctl_exit ctl_print_subscription_remove(const json_t *s, FILE *out)
{
	fprintf(out, "subscription %lld of ", (long long)ctl_int(s, "id"));
	print_two(s, out);
	fprintf(out, " is being ended, and listed until the other side has said so; they stay contacts\n");
	return CTL_FINE;
}
